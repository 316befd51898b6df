"""Reads a folder in the layout of the HW04 speaker data as its users do, with PyTorch alone, and says what is in it."""

import json
import sys
from pathlib import Path

import torch

folder = Path(sys.argv[1])
metadata = json.loads((folder / "metadata.json").read_text())
testdata = json.loads((folder / "testdata.json").read_text())
mapping = json.loads((folder / "mapping.json").read_text())

utterances = list(testdata["utterances"])
for speaker, spoken in metadata["speakers"].items():
    assert mapping["id2speaker"][str(mapping["speaker2id"][speaker])] == speaker
    utterances += spoken
for utterance in utterances:
    mel = torch.load(folder / utterance["feature_path"], weights_only=True)
    assert mel.dtype == torch.float32 and mel.shape == (utterance["mel_len"], metadata["n_mels"])
    assert mel.isfinite().all()
frames = sum(utterance["mel_len"] for utterance in utterances)
print(f"{len(utterances)} utterances of {len(metadata['speakers'])} speakers, {frames} frames")
