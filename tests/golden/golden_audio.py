"""Writes features_audio.safetensors: log-mel features, Kaldi's fbank and MFCC as independent implementations have them;
and tone_audio.flac and .ogg.

    pip install torch==2.13.0 numpy safetensors librosa==0.11.0 kaldi-native-fbank==1.22.5
    python golden_audio.py [--output DIRECTORY]

Apart from make_golden.py, because nothing else needs librosa and kaldi-native-fbank.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import kaldi_native_fbank as knf
import librosa
import numpy as np
import soundfile
import torch

from golden_common import Golden


def sound(golden, name, rate, count):
    """A chirp over noise of 1 %, a fifth of it digital silence; a last stretch of noise alone."""
    t = torch.arange(count, dtype=torch.float64) / rate
    length = count / rate
    chirp = torch.sin(2 * torch.pi * (100 * t + (0.45 * rate - 100) * t * t / (2 * length)))
    samples = 0.4 * chirp + golden.randn(count, scale=0.01)
    samples[int(0.5 * count) : int(0.7 * count)] = 0
    samples[int(0.8 * count) :] = golden.randn(count - int(0.8 * count), scale=0.02)
    samples = torch.round(samples * 32768).clamp(-32768, 32767) / 32768
    golden.put(f"sound.{name}", samples.float())
    return samples


# Over Hz: torch.stft and librosa's filters, all in float64.


def mel_power(samples, rate, window, hop, mels, low, high, slaney_scale, slaney_norm):
    spectrum = torch.stft(samples, n_fft=window, hop_length=hop, window=torch.hann_window(window, dtype=torch.float64),
                          center=True, pad_mode="reflect", return_complex=True)
    filters = librosa.filters.mel(sr=rate, n_fft=window, n_mels=mels, fmin=low, fmax=high, htk=not slaney_scale,
                                  norm="slaney" if slaney_norm else None, dtype=np.float64)
    return torch.from_numpy(filters) @ spectrum.abs().square()


LOG_MEL = {
    "log_mel.default": dict(sound="long"),
    "log_mel.one_frame": dict(sound="frame"),
    "log_mel.shortest": dict(sound="shortest"),
    "log_mel.power_of_two": dict(sound="long", window=512, hop=128, mels=80, low=0.0, high=7600.0),
    "log_mel.slaney_scale": dict(sound="long", slaney_scale=True),
    "log_mel.slaney_norm": dict(sound="long", slaney_norm=True),
    "log_mel.librosa": dict(sound="long", window=512, hop=160, mels=64, slaney_scale=True, slaney_norm=True, low=0.0),
    "log_mel.telephone": dict(sound="telephone", window=200, hop=80, mels=23, low=20.0, high=3800.0),
}


def log_mels(golden, sounds):
    for case, options in LOG_MEL.items():
        name = options["sound"]
        rate, samples = sounds[name]
        full = dict(window=400, hop=160, mels=40, low=50.0, high=rate / 2, slaney_scale=False, slaney_norm=False)
        full |= {key: value for key, value in options.items() if key != "sound"}
        golden.case(case, sound=name, sample_rate=rate, **full)
        power = mel_power(samples, rate, **full)
        if case == "log_mel.librosa":
            other = librosa.feature.melspectrogram(y=samples.numpy(), sr=rate, n_fft=full["window"], hop_length=full["hop"],
                                                   n_mels=full["mels"], fmin=full["low"], pad_mode="reflect",
                                                   dtype=np.float64)
            torch.testing.assert_close(torch.from_numpy(other), power, rtol=1e-9, atol=1e-12)
        golden.put(case, power.clamp(min=1e-9).log().T.float())


# Over mel: kaldi-native-fbank, float32.

FBANK = {
    "fbank.default": dict(sound="long"),
    "fbank.80_mels": dict(sound="long", mels=80),
    "fbank.one_frame": dict(sound="frame"),
    "fbank.mirrored": dict(sound="long", snip_edges=False),
    "fbank.mirrored_short": dict(sound="shortest", snip_edges=False),
    "fbank.plain": dict(sound="long", remove_dc_offset=False, preemphasis=0.0, window="hanning"),
    "fbank.energy": dict(sound="long", use_energy=True, window="hamming"),
    "fbank.windowed_energy": dict(sound="long", use_energy=True, raw_energy=False, window="blackman"),
    "fbank.telephone": dict(sound="telephone", low=100.0, high=-200.0, window="rectangular", frame_length=32.0,
                            frame_shift=12.5),
}
MFCC = {
    "mfcc.kaldi": dict(sound="long", use_energy=False),
    "mfcc.kaldi_energy": dict(sound="long", use_energy=True, mels=40, coefficients=20, lifter=30.0),
    "mfcc.kaldi_no_lifter": dict(sound="telephone", use_energy=False, lifter=0.0),
}


def set_frames(options, frame):
    frame.samp_freq = options["sample_rate"]
    frame.frame_length_ms = options["frame_length"]
    frame.frame_shift_ms = options["frame_shift"]
    frame.dither = 0.0
    frame.snip_edges = options["snip_edges"]
    frame.remove_dc_offset = options["remove_dc_offset"]
    frame.preemph_coeff = options["preemphasis"]
    frame.window_type = options["window"]


def kaldi(golden, sounds):
    defaults = dict(frame_length=25.0, frame_shift=10.0, mels=23, low=20.0, high=0.0, snip_edges=True, remove_dc_offset=True,
                    preemphasis=0.97, window="povey", use_energy=False, raw_energy=True)
    for case, given in (FBANK | MFCC).items():
        is_mfcc = case.startswith("mfcc")
        rate, samples = sounds[given["sound"]]
        full = defaults | (dict(coefficients=13, lifter=22.0) if is_mfcc else {}) | given | {"sample_rate": rate}
        golden.case(case, **full)
        options = knf.MfccOptions() if is_mfcc else knf.FbankOptions()
        set_frames(full, options.frame_opts)
        options.mel_opts.num_bins = full["mels"]
        options.mel_opts.low_freq = full["low"]
        options.mel_opts.high_freq = full["high"]
        options.use_energy = full["use_energy"]
        options.raw_energy = full["raw_energy"]
        options.energy_floor = 0.0
        if is_mfcc:
            options.num_ceps = full["coefficients"]
            options.cepstral_lifter = full["lifter"]
        computer = knf.OnlineMfcc(options) if is_mfcc else knf.OnlineFbank(options)
        computer.accept_waveform(rate, (32768 * samples).tolist())
        computer.input_finished()
        frames = [torch.from_numpy(computer.get_frame(i).copy()) for i in range(computer.num_frames_ready)]
        golden.put(case, torch.stack(frames))


def cepstra(golden, sounds):
    rate, samples = sounds["long"]
    power = mel_power(samples, rate, 400, 160, 40, 50.0, 8000.0, False, False).numpy()
    golden.case("mfcc.librosa", sound="long", sample_rate=rate, coefficients=13, range=80.0, floor=1e-10)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(power, amin=1e-10, top_db=80.0), n_mfcc=13)
    golden.put("mfcc.librosa", torch.from_numpy(mfcc).T.float())
    golden.case("deltas", input="mfcc.librosa", window=2)
    deltas = mfcc
    for order in (1, 2):  # a line fitted to five frames: librosa's order 2 would be a parabola
        deltas = librosa.feature.delta(deltas, width=5, order=1, mode="nearest")
        golden.put(f"deltas.{order}", torch.from_numpy(deltas).T.float())


def features():
    golden = Golden("features_audio", "Log-mel features, Kaldi's fbank and MFCC of made sounds", seed=401)
    sounds = {
        "long": (16000, sound(golden, "long", 16000, 8000)),
        "frame": (16000, sound(golden, "frame", 16000, 400)),
        "shortest": (16000, sound(golden, "shortest", 16000, 201)),
        "telephone": (8000, sound(golden, "telephone", 8000, 3001)),
    }
    log_mels(golden, sounds)
    kaldi(golden, sounds)
    cepstra(golden, sounds)
    return golden


def write_tones(directory):
    """Sound files by libsndfile, for those formats that are hard to write by hand: 0.1 s of 440 Hz, on the right half as loud."""
    t = np.arange(1600) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    both = np.stack([tone, 0.5 * tone], axis=1)
    soundfile.write(directory / "tone_audio.flac", both, 16000, subtype="PCM_24")
    soundfile.write(directory / "tone_audio.ogg", both, 16000, subtype="VORBIS")


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Writes the golden file of sound features.")
    parser.add_argument("--output", type=Path, default=here, help="directory to write to (default: beside this script)")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    features().save(output)
    write_tones(output)


if __name__ == "__main__":
    main()
