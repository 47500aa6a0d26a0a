"""Elastic Beanstalk in templates: moto's CloudFormation knows neither applications nor environments."""

from __future__ import annotations

from typing import Any

import moto.cloudformation.parsing as parsing
from moto.core.common_models import CloudFormationModel
from moto.elasticbeanstalk.models import Environment, eb_backends

from . import beanstalk

KINDS = ("AWS::ElasticBeanstalk::Application", "AWS::ElasticBeanstalk::Environment")
for kind in KINDS:
    if any(model.cloudformation_type() == kind for model in CloudFormationModel.__subclasses__()):
        raise RuntimeError(f"moto knows {kind} by now: the laboratory need not play it")


class ApplicationOfStack(CloudFormationModel):
    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "ApplicationName"

    @staticmethod
    def cloudformation_type() -> str:
        return KINDS[0]

    @classmethod
    def create_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str, **_: Any) -> "ApplicationOfStack":
        eb_backends[account][region].create_application(name)
        return cls(name)

    @classmethod
    def update_from_cloudformation_json(cls, original: Any, name: str, template: Any, account: str, region: str) -> Any:
        return original

    @classmethod
    def delete_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str) -> None:
        eb_backends[account][region].delete_application(name)


class EnvironmentOfStack(CloudFormationModel):
    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    @property
    def physical_resource_id(self) -> str:
        return self.environment.environment_name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "EnvironmentName"

    @staticmethod
    def cloudformation_type() -> str:
        return KINDS[1]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "EndpointURL"

    def get_cfn_attribute(self, name: str) -> Any:
        return self.environment.endpoint_url

    @classmethod
    def create_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str, **_: Any) -> "EnvironmentOfStack":
        wanted = template["Properties"]
        backend = eb_backends[account][region]
        tier = wanted.get("Tier", {})
        environment = backend.create_environment(
            backend.applications[wanted["ApplicationName"]],
            name,
            wanted.get("SolutionStackName", ""),
            {it["Key"]: it["Value"] for it in wanted.get("Tags", [])},
        )
        worker = tier.get("Name") == "Worker"
        if worker:
            environment.tier = {"Name": "Worker", "Type": "SQS/HTTP", "Version": "1.0"}
        beanstalk.build(environment, beanstalk.read(None, worker, wanted.get("OptionSettings", [])), account, region)
        return cls(environment)

    @classmethod
    def update_from_cloudformation_json(cls, original: Any, name: str, template: Any, account: str, region: str) -> Any:
        return original

    @classmethod
    def delete_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str) -> None:
        for it in eb_backends[account][region].describe_environments():
            if it.environment_name == name and it.status != "Terminated":
                beanstalk.end(it, account, region)


for remembered in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
    remembered.cache_clear()
