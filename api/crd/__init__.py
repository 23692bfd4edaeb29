"""Custom resources: what a CustomResourceDefinition makes of a kind, as pure functions.

``version.kinds_of`` turns a definition into kinds; a kind's ``CustomVersion`` prunes, defaults,
validates and shows its objects. Definitions themselves are judged in ``api.validation``.
"""
