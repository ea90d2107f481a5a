"""Generated from protos/fedplat/wire/v1 by `make proto`; do not edit."""
