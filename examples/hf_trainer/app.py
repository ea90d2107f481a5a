"""Federates a Hugging Face Trainer: a small ViT over digits, initialised at random.

Needs the extra: pip install 'fedplat[hf-trainer]'
"""

import tempfile

import torch
from torch.nn import functional
from transformers import (
    PrinterCallback,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

CONFIG = ViTConfig(
    image_size=8,
    patch_size=2,
    num_channels=1,
    num_labels=10,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    initializer_range=0.2,
)


class Digits(torch.utils.data.Dataset):
    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        pixels = torch.from_numpy(self.samples.inputs[index])
        return {"pixel_values": pixels, "labels": int(self.samples.targets[index])}


def initial(context):
    return arrays(ViTForImageClassification(CONFIG))


def fit(params, context):
    model = restore(params)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            seed=context.seed,
            num_train_epochs=context.epochs or 1,
            per_device_train_batch_size=16,
            learning_rate=3e-3,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = Trainer(model, arguments, train_dataset=Digits(context.data))
        trainer.remove_callback(PrinterCallback)  # standard output belongs to fedplat
        result = trainer.train()
    return arrays(model), {"train_loss": result.training_loss, "num_steps": result.global_step}


@torch.no_grad()
def evaluate(params, context):
    logits = restore(params).eval()(torch.from_numpy(context.data.inputs)).logits
    labels = torch.from_numpy(context.data.targets)
    return {
        "loss": functional.cross_entropy(logits, labels).item(),
        "accuracy": (logits.argmax(1) == labels).float().mean().item(),
    }


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def restore(params):
    model = ViTForImageClassification(CONFIG)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in params.items()})
    return model
