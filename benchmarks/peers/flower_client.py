"""The ClientApp of `run_flower`: importable by Ray's workers."""

from functools import cache

import local
import models
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from workload import Workload

app = ClientApp()
opened = cache(Workload)  # a worker keeps its data between clients


@app.train()
def train(message: Message, context: Context) -> Message:
    """One client's epoch; the coordinator says which client this is, so that cohorts are equal."""
    torch.set_num_threads(1)
    config = message.content["config"]
    workload, client = opened(str(config["workload"])), int(config["client"])
    model = models.make(str(config["model"]))
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    if not config["no-work"]:
        local.train(model, *workload.epoch(int(config["server-round"]), client))
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": workload.samples(client)}),
        }
    )
    return Message(content=content, reply_to=message)
