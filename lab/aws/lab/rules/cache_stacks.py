"""ElastiCache in templates: moto's CloudFormation knows neither its replication groups nor their subnet groups."""

from __future__ import annotations

from typing import Any

import moto.cloudformation.parsing as parsing
from moto.core.common_models import CloudFormationModel
from moto.elasticache import elasticache_backends
from moto.elasticache.models import ReplicationGroup

KINDS = ("AWS::ElastiCache::ReplicationGroup", "AWS::ElastiCache::SubnetGroup")
for kind in KINDS:
    # A class of the right kind is found by moto as soon as it is there.
    if any(model.cloudformation_type() == kind for model in CloudFormationModel.__subclasses__()):
        raise RuntimeError(f"moto knows {kind} by now: the laboratory need not play it")


class Cache(CloudFormationModel):
    """`AWS::ElastiCache::ReplicationGroup` of a template, which moto's CloudFormation does not know."""

    def __init__(self, group: ReplicationGroup, region: str, account: str) -> None:
        self.group, self.region, self.account = group, region, account

    @property
    def physical_resource_id(self) -> str:
        return self.group.replication_group_id

    @staticmethod
    def cloudformation_name_type() -> str:
        return "ReplicationGroupId"

    @staticmethod
    def cloudformation_type() -> str:
        return KINDS[0]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("PrimaryEndPoint.Address", "PrimaryEndPoint.Port")

    def get_cfn_attribute(self, name: str) -> Any:
        endpoint = self.group.node_groups[0]["primary_endpoint"]
        return endpoint["address"] if name.endswith("Address") else str(endpoint["port"])

    @classmethod
    def create_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str, **_: Any) -> "Cache":
        wanted = template["Properties"]
        nothing = dict.fromkeys(
            (
                "global_replication_group_id primary_cluster_id num_node_groups replicas_per_node_group cache_parameter_group_name "
                "cache_security_group_names snapshot_arns snapshot_name preferred_maintenance_window notification_topic_arn "
                "auto_minor_version_upgrade snapshot_retention_limit snapshot_window auth_token kms_key_id user_group_ids "
                "data_tiering_enabled network_type ip_discovery transit_encryption_mode cluster_mode serverless_cache_snapshot_name"
            ).split()
        )
        group = elasticache_backends[account][region].create_replication_group(
            **nothing,
            replication_group_id=name.lower(),
            replication_group_description=wanted.get("ReplicationGroupDescription", ""),
            automatic_failover_enabled=wanted.get("AutomaticFailoverEnabled") in (True, "true"),
            multi_az_enabled=wanted.get("MultiAZEnabled") in (True, "true"),
            num_cache_clusters=int(wanted.get("NumCacheClusters", 1)),
            preferred_cache_cluster_azs=wanted.get("PreferredCacheClusterAZs", []),
            node_group_configuration=[],
            cache_node_type=wanted.get("CacheNodeType"),
            engine=wanted.get("Engine"),
            engine_version=wanted.get("EngineVersion"),
            cache_subnet_group_name=wanted.get("CacheSubnetGroupName"),
            security_group_ids=wanted.get("SecurityGroupIds"),
            tags=wanted.get("Tags", []),
            port=wanted.get("Port"),
            transit_encryption_enabled=wanted.get("TransitEncryptionEnabled") in (True, "true"),
            at_rest_encryption_enabled=wanted.get("AtRestEncryptionEnabled") in (True, "true"),
            log_delivery_configurations=[],
        )
        return cls(group, region, account)

    @classmethod
    def update_from_cloudformation_json(cls, original: Any, name: str, template: Any, account: str, region: str) -> Any:
        return original

    @classmethod
    def delete_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str) -> None:
        elasticache_backends[account][region].replication_groups.pop(name, None)


class CacheSubnets(CloudFormationModel):
    """`AWS::ElastiCache::SubnetGroup` of a template."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "CacheSubnetGroupName"

    @staticmethod
    def cloudformation_type() -> str:
        return KINDS[1]

    @classmethod
    def create_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str, **_: Any) -> "CacheSubnets":
        wanted = template["Properties"]
        elasticache_backends[account][region].create_cache_subnet_group(
            name.lower(), wanted.get("Description", ""), wanted.get("SubnetIds", []), wanted.get("Tags", [])
        )
        return cls(name.lower())

    @classmethod
    def update_from_cloudformation_json(cls, original: Any, name: str, template: Any, account: str, region: str) -> Any:
        return original

    @classmethod
    def delete_from_cloudformation_json(cls, name: str, template: Any, account: str, region: str) -> None:
        elasticache_backends[account][region].cache_subnet_groups.pop(name, None)


for remembered in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
    remembered.cache_clear()
