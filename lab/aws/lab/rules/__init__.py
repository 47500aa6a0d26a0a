"""What AWS does and moto does not. Each module replaces methods of moto as it is loaded."""

from . import acls, activities, balancers, cache_stacks, caches, databases, groups, ids, instances, members, reads, refresh, stacks, tags, targets  # noqa: F401
