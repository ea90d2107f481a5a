"""fedplat: federated and decentralized learning.  Public names only, loaded when first used."""

__version__ = "0.1.0"
