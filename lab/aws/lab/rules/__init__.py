"""What AWS does and moto does not. Each module replaces methods of moto as it is loaded."""

from . import (  # noqa: F401
    acls,
    activities,
    balancers,
    beanstalk,
    beanstalk_stacks,
    cache_stacks,
    caches,
    commands,
    databases,
    groups,
    ids,
    instances,
    members,
    names,
    quick,
    reads,
    refresh,
    stacks,
    tags,
    targets,
)
