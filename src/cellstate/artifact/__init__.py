"""A model on disk: one folder of JSON and safetensors, versioned, checked, never pickle."""

from cellstate.artifact.atomic import write_file
from cellstate.artifact.fingerprint import fingerprint, model_fingerprint
from cellstate.artifact.manifest import FORMAT, Manifest
from cellstate.artifact.store import check_target, is_model, load, save

__all__ = [
    "FORMAT",
    "Manifest",
    "check_target",
    "fingerprint",
    "is_model",
    "load",
    "model_fingerprint",
    "save",
    "write_file",
]
