"""Prints what TensorBoard's own readers find in a folder of event files, as JSON. For the tests; wants tensorboard.

    python read_events.py FOLDER
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from pathlib import Path

folder = sys.argv[1]
accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "histograms": 0, "images": 0})
accumulator.Reload()


def text_of(event):
    return [value.decode() for value in event.tensor_proto.string_val]


found = {"scalars": {}, "texts": {}, "histograms": {}, "images": {}, "plugins": {}, "file_version": accumulator.file_version}
for tag in accumulator.Tags()["scalars"]:
    found["scalars"][tag] = [[e.step, repr(e.value)] for e in accumulator.Scalars(tag)]
for tag in accumulator.Tags()["tensors"]:
    found["plugins"][tag] = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
    found["texts"][tag] = [[e.step, text_of(e)] for e in accumulator.Tensors(tag)]
for tag in accumulator.Tags()["histograms"]:
    found["histograms"][tag] = [[e.step, e.histogram_value.num, list(e.histogram_value.bucket_limit),
                                 list(e.histogram_value.bucket)] for e in accumulator.Histograms(tag)]
for tag in accumulator.Tags()["images"]:
    found["images"][tag] = [[e.step, e.height, e.width, len(e.encoded_image_string)] for e in accumulator.Images(tag)]
# The raw records, so that nothing that an accumulator forgives goes unseen.
found["steps"] = [Event.FromString(record).step
                  for path in sorted(Path(folder).iterdir()) for record in RawEventFileLoader(str(path)).Load()]
print(json.dumps(found))
