"""Endless sound: every window where it should be, none across a gap, in bounded memory."""

import io
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import numpy as np
import pytest
import soundfile

from asdkeras.data.audio import AudioConfig, read_audio
from asdkeras.detector.clip_inputs import read_clips
from asdkeras.detector.fitted_machine import Machine
from asdkeras.detector.live import newest_blocks
from asdkeras.detector.pcm import Gap
from asdkeras.detector.stream import StreamOptions, run_stream, score_stream
from asdkeras.errors import DataError, RecipeError
from tests.real_data import real_data

RATE_HZ = 1000
CLIP = 2 * RATE_HZ


def machine(**changes):
    values = {
        "name": "fan_00",
        "machine_type": "fan",
        "section": "00",
        "sample_rate_hz": RATE_HZ,
        "clip_length": CLIP,
        "keep": "start",
        "threshold": 0.5,
    }
    return Machine(**{**values, **changes})


def loudness(waveforms):
    """Stands for the graph of a detector: the peak is the score."""
    assert waveforms.dtype == np.float32
    assert waveforms.ndim == 2
    peaks = np.abs(waveforms).max(axis=1)
    return {"anomaly_score": peaks, "is_anomalous": peaks > 0.5}


class FakeDetector:
    channel = "mean"

    def __init__(self, *machines, scorer=loudness):
        self.machines = {each.name: each for each in machines or (machine(),)}
        self._scorer = scorer

    def scorer(self, name):
        assert name in self.machines
        return self._scorer


class Ear:
    """A scorer that keeps the windows it was given."""

    def __init__(self):
        self.heard = []

    def __call__(self, waveforms):
        (waveform,) = waveforms
        self.heard.append(waveform)
        return {"anomaly_score": np.ones(1, np.float32), "is_anomalous": np.ones(1, bool)}


def ramp(length, start=0):
    """Samples that tell their place, exactly in float32."""
    return np.arange(start, start + length) / 2**20


def cut(samples, sizes):
    sizes = itertools.cycle(sizes)
    while len(samples):
        size = next(sizes)
        yield samples[:size]
        samples = samples[size:]


def results(blocks, score=loudness, **options):
    return list(score_stream(blocks, score, machine=machine(), **options))


def spans(lines):
    return [(line.start_s, line.end_s) for line in lines]


@pytest.mark.parametrize("sizes", [(1, 0, 7, 64), (333,), (2000,), (9000,)])
@pytest.mark.parametrize("hop", [100, 777, 1000, 1999, 2000, 2001, 4500])
def test_windows_are_those_of_the_definition_however_the_blocks_come(hop, sizes):
    ear, samples = Ear(), ramp(9000)

    lines = results(cut(samples, sizes), ear, hop_s=hop / RATE_HZ)

    starts = range(0, len(samples) - CLIP + 1, hop)
    assert spans(lines) == [(start / RATE_HZ, (start + CLIP) / RATE_HZ) for start in starts]
    assert len(ear.heard) == len(starts)
    for start, waveform in zip(starts, ear.heard, strict=True):
        assert np.array_equal(waveform, samples[start : start + CLIP])


def test_a_window_is_scored_as_soon_as_it_is_full():
    taken = []
    blocks = (taken.append(number) or ramp(500, 500 * number) for number in range(99))
    lines = score_stream(blocks, Ear(), machine=machine())
    next(lines)
    assert len(taken) == 4
    next(lines)
    assert len(taken) == 6


def test_window_and_hop_are_a_clip_and_half_of_it_unless_said():
    assert spans(results([ramp(5000)])) == [(0, 2), (1, 3), (2, 4), (3, 5)]
    assert spans(results([ramp(3500)], window_s=1.5)) == [(0, 1.5), (0.75, 2.25), (1.5, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_s": 0.9}, "`window_s` must be from 1 to 2, .*Received: 0.9"),
        ({"window_s": 2.1}, "`window_s` must be from 1 to 2, .*Received: 2.1"),
        ({"window_s": float("nan")}, "`window_s` must be.*Received: nan"),
        ({"hop_s": 0.09}, "`hop_s` must be from 0.1 to 86400 seconds. Received: 0.09"),
        ({"hop_s": -1.0}, "`hop_s` must be.*Received: -1"),
        ({"hop_s": float("inf")}, "`hop_s` must be.*Received: inf"),
        ({"hop_s": float("nan")}, "`hop_s` must be.*Received: nan"),
    ],
)
def test_windows_and_hops_out_of_range_are_refused_before_any_sound(options, message):
    with pytest.raises(RecipeError, match=message):
        score_stream(iter([]), loudness, machine=machine(), **options)


def test_score_and_decision_are_those_of_the_graph():
    quiet, loud = results([0.3 * np.sin(np.arange(CLIP)), 0.7 * np.sin(np.arange(CLIP))], hop_s=2)
    assert quiet.anomaly_score == pytest.approx(0.3, abs=1e-3)
    assert loud.anomaly_score == pytest.approx(0.7, abs=1e-3)
    assert (quiet.is_anomalous, loud.is_anomalous) == (False, True)
    assert quiet.threshold == loud.threshold == 0.5
    assert quiet.note == loud.note == ""


def test_no_window_goes_across_a_gap():
    ear = Ear()
    blocks = [ramp(3100), Gap("sensor asleep", 500), ramp(2400, 3600)]

    lines = results(blocks, ear, hop_s=1.0)

    assert spans(lines) == [(0, 2), (1, 3), (3.6, 5.6)]
    assert np.array_equal(ear.heard[-1], ramp(CLIP, 3600))
    assert [line.note for line in lines] == ["", "", "gap: sensor asleep, 0.50 s lost"]


def test_a_gap_that_lost_nothing_begins_a_new_window_too():
    lines = results([ramp(2500), Gap("no sound came", waited_s=3.04), ramp(3000)])
    assert spans(lines) == [(0, 2), (2.5, 4.5), (3.5, 5.5)]
    assert [line.note for line in lines] == ["", "gap: no sound came for 3.0 s", ""]


def test_a_gap_ends_what_a_long_hop_skips():
    lines = results([ramp(2500), Gap("lost", 100), ramp(2500)], hop_s=10)
    assert spans(lines) == [(0, 2), (2.6, 4.6)]


def test_gaps_before_one_window_are_told_together():
    blocks = [ramp(CLIP), Gap("a", 100), ramp(5), Gap("b", 0, 2.0), Gap("a", 300), ramp(CLIP)]
    lines = results(blocks)
    assert lines[1].note == "gap: a, 0.40 s lost; gap: b for 2.0 s"
    assert lines[1].start_s == 2.405


def test_samples_that_are_no_numbers_are_a_gap():
    wrong = ramp(100)
    wrong[50] = np.nan
    lines = results([ramp(CLIP), wrong, ramp(CLIP), np.full(10, np.inf), ramp(CLIP)])
    assert spans(lines) == [(0, 2), (2.1, 4.1), (4.11, 6.11)]
    assert lines[1].note == "gap: samples that are no numbers, 0.10 s lost"


def test_a_stream_without_any_whole_window_is_not_silent_about_it():
    blocks = itertools.chain.from_iterable([ramp(900), Gap("dropped", 100)] for _ in range(7))
    lines = results(blocks)
    assert spans(lines) == [(0, 3), (3, 6)]
    assert {line.note for line in lines} == {"gap: dropped, 0.30 s lost; no whole window"}
    assert {(line.anomaly_score, line.is_anomalous) for line in lines} == {(None, None)}


@pytest.mark.parametrize("value", [0.0, -0.25])
def test_silence_has_no_score_and_the_stream_goes_on(value):
    ear = Ear()
    lines = results([np.full(3000, value), ramp(2000)], ear)
    assert [line.anomaly_score for line in lines] == [None, None, 1.0, 1.0]
    assert [line.is_anomalous for line in lines] == [None, None, True, True]
    assert [line.note for line in lines] == ["silent", "silent", "", ""]
    assert len(ear.heard) == 2


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_anomalous(score):
    def broken(waveforms):
        return {"anomaly_score": np.array([score]), "is_anomalous": np.array([False])}

    (line,) = results([ramp(CLIP)], broken)
    assert (line.anomaly_score, line.is_anomalous) == (None, True)
    assert line.note == "the score is no finite number"


def test_a_stream_shorter_than_a_window_is_heard_as_it_is():
    ear = Ear()
    (line,) = results([ramp(700), ramp(300, 700)], ear)
    assert spans([line]) == [(0, 1)]
    assert line.note == "shorter than 2 s, repeated"
    assert np.array_equal(ear.heard[0], ramp(1000))


def test_what_is_left_behind_the_last_window_is_named(capsys):
    assert spans(results([ramp(CLIP + 999)])) == [(0, 2)]
    assert spans(results([ramp(CLIP), Gap("lost", 1), ramp(1999)])) == [(0, 2)]
    assert spans(results([ramp(CLIP)], hop_s=0.5)) == [(0, 2)]
    assert spans(results([ramp(CLIP + 999)], hop_s=9)) == [(0, 2)]
    said = "asdkeras: note: from 2.00 to {} s no window is full: not scored"
    assert capsys.readouterr().err.splitlines() == [said.format("3.00"), said.format("4.00")]


def test_each_recording_of_a_stream_is_scored_however_short(capsys):
    end = Gap("another recording begins", is_end=True)
    blocks = [ramp(CLIP), end, ramp(1200), end, ramp(900), end, ramp(2500), end, ramp(1000)]

    lines = results(blocks, hop_s=2.0)

    assert spans(lines) == [(0, 2), (2, 3.2), (4.1, 6.1), (6.6, 7.6)]
    short, begins = "shorter than 2 s, repeated", "gap: another recording begins"
    assert [line.note for line in lines] == ["", f"{begins}; {short}", begins, f"{begins}; {short}"]
    assert capsys.readouterr().err.splitlines() == [
        "asdkeras: note: from 3.20 to 4.10 s no window is full: not scored",
        "asdkeras: note: from 6.10 to 6.60 s no window is full: not scored",
    ]


@pytest.mark.parametrize("samples", [np.full(9, 3.0), np.full(9, -32768.0), [0.0] * 8 + [2.5]])
def test_blocks_of_integers_as_floats_are_refused_as_clips_are(samples):
    message = r"float samples must lie in \[-1, 1\]. Received: a peak of .* full scale"
    with pytest.raises(ValueError, match=f"block 1: {message}"):
        results([ramp(9), np.asarray(samples)])
    with pytest.raises(ValueError, match=f"clip 0: {message}"):
        list(read_clips(np.resize(samples, RATE_HZ), RATE_HZ))


def test_a_stream_takes_the_channel_that_the_detector_has_learned_from():
    detector, file, out = FakeDetector(), io.BytesIO(), io.StringIO()
    channels = np.stack([ramp(CLIP) / 2, 0.25 + ramp(CLIP)], axis=1)
    soundfile.write(file, channels, RATE_HZ, format="WAV", subtype="FLOAT")
    for channel, options in ((1, {}), (0, {"channel": 0})):
        detector.channel = 1
        options = StreamOptions(as_json=True, **options)
        run_stream(detector, io.BytesIO(file.getvalue()), out, options)
        peak = json.loads(out.getvalue().splitlines()[-1])["anomaly_score"]
        assert peak == pytest.approx(channels[:, channel].max())


def test_blocks_of_16_bit_integers_are_scaled():
    ear = Ear()
    results([np.arange(CLIP, dtype=np.int16)], ear)
    assert np.array_equal(ear.heard[0], np.arange(CLIP) / 32768)


@pytest.mark.parametrize("blocks", [[], [ramp(999)], [ramp(1500), Gap("lost", 9), ramp(999)]])
def test_less_than_a_second_is_refused(blocks):
    with pytest.raises(DataError, match=r"window of 2 s was full. Received: (0|0.999) s.*At least"):
        results(blocks)


@pytest.mark.parametrize(
    ("block", "received"),
    [
        (np.zeros(9, np.int32), "int32"),
        (np.zeros((9, 2)), r"float64 \(9, 2\)"),
        ([0.0, 1.0], "list"),
    ],
)
def test_blocks_that_are_no_waveform_are_refused(block, received):
    with pytest.raises(ValueError, match=f"must be .*float in .*Received: {received}"):
        results([block])


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_endless_sound_needs_the_memory_of_few_windows():
    length = 50_000
    endless = (ramp(length // 10, number) for number in itertools.count())
    lines = score_stream(
        endless, loudness, machine=machine(clip_length=length, sample_rate_hz=16000), hop_s=1.0
    )

    peak = peak_bytes(lambda: [next(lines) for _ in range(100)])

    assert peak < 6 * 4 * length


def read_by_then(pieces):
    """`pieces`, and an event that tells when the last of them was put away."""
    done = threading.Event()

    def told():
        yield from pieces
        done.set()

    return told(), done


def test_live_sound_loses_its_oldest_blocks_and_keeps_its_time():
    pieces, done = read_by_then(cut(ramp(10_000), (100,)))
    newest = newest_blocks(pieces, 2 * CLIP)
    assert done.wait(10)
    ear = Ear()

    lines = results(newest, ear)

    assert spans(lines) == [(0, 6), (6, 8), (7, 9), (8, 10)]
    assert lines[0].note == "gap: scoring was too slow, 6.00 s lost; no whole window"
    assert [line.note for line in lines[1:]] == ["", "", ""]
    assert np.array_equal(ear.heard[0], ramp(CLIP, 6000))


def test_gaps_among_what_is_lost_count_as_lost():
    pieces, done = read_by_then([ramp(100), Gap("a", 400), ramp(100), ramp(300)])
    newest = newest_blocks(pieces, 350)
    assert done.wait(10)
    lost, block = newest
    assert (lost.num_samples, len(block)) == (600, 300)


def test_live_sound_that_is_heard_in_time_is_whole():
    pieces = [ramp(10), Gap("a", 5), ramp(20, 15)]
    assert [len(piece) if isinstance(piece, np.ndarray) else piece for piece in pieces] == [
        len(piece) if isinstance(piece, np.ndarray) else piece
        for piece in newest_blocks(iter(pieces), 1000)
    ]


def test_live_sound_without_end_is_bounded_and_ends_when_closed():
    ended, much = threading.Event(), threading.Event()

    def endless():
        try:
            for number in itertools.count():
                if number == 2000:
                    much.set()
                yield np.zeros(1000, np.float32)
        finally:
            ended.set()

    def work():
        newest = newest_blocks(endless(), 10_000)
        assert much.wait(10)
        assert next(newest).num_samples > 1_000_000
        newest.close()

    assert peak_bytes(work) < 200_000  # Ten blocks of 4000 bytes, and what threads need.
    assert ended.wait(10)


def test_what_breaks_while_reading_is_raised_after_the_sound_before():
    def breaking():
        yield ramp(CLIP)
        raise DataError("broken pipe")

    lines = score_stream(newest_blocks(breaking(), CLIP), loudness, machine=machine())
    assert next(lines).end_s == 2
    with pytest.raises(DataError, match="broken pipe"):
        next(lines)


def s16(samples):
    return (np.asarray(samples) * 32768).astype("<i2").tobytes()


def tone(length, peak):
    return peak * np.sin(np.arange(length))


RAW = {"pcm": "s16le", "rate": RATE_HZ}


def run(content, detector=None, out=None, **options):
    out = io.StringIO() if out is None else out
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    is_any = run_stream(detector or FakeDetector(), file, out, StreamOptions(**options))
    return is_any, out.getvalue()


def test_the_table_has_one_line_per_hop():
    content = s16([*tone(2000, 0.25), *tone(1000, 0.75), *np.zeros(2000)])
    is_any, text = run(content, **RAW)
    assert is_any
    assert text.splitlines() == [
        "     start         end       score   threshold  decision   note",
        "      0.00        2.00        0.25         0.5  normal",
        "      1.00        3.00        0.75         0.5  anomalous",
        "      2.00        4.00        0.75         0.5  anomalous",
        "      3.00        5.00           -         0.5  -          silent",
    ]


def test_json_has_one_object_per_line_with_all_digits():
    is_any, text = run(s16([*tone(2000, 0.3), *np.zeros(2000)]), **RAW, hop_s=2, as_json=True)
    quiet, silent = map(json.loads, text.splitlines())
    assert not is_any
    assert quiet.pop("anomaly_score") == np.abs(tone(2000, 0.3) * 32768).astype("<i2").max() / 32768
    assert quiet == {
        "machine": "fan_00",
        "start_s": 0.0,
        "end_s": 2.0,
        "threshold": 0.5,
        "is_anomalous": False,
        "note": "",
    }
    assert (silent["anomaly_score"], silent["is_anomalous"]) == (None, None)


def test_options_reach_the_stream():
    channels = np.stack([tone(3000, 0.1), tone(3000, 0.9)], axis=1)
    options = {"channels": 2, "window_s": 1.0, "hop_s": 1.0, "as_json": True}
    _, text = run(s16(channels.ravel()), **RAW, **options, channel=0)
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["start_s"], line["end_s"]) for line in lines] == [(0, 1), (1, 2), (2, 3)]
    assert {line["is_anomalous"] for line in lines} == {False}


def test_sound_of_a_lower_rate_is_taken_if_one_insists():
    options = {"pcm": "s16le", "rate": RATE_HZ // 2}
    with pytest.raises(DataError, match="--resample"):
        run(s16(tone(2000, 0.3)), **options)
    assert len(run(s16(tone(2000, 0.3)), **options, resample_up=True)[1].splitlines()) == 4


def test_a_machine_must_be_named_where_there_are_several():
    detector = FakeDetector(machine(), machine(name="pump", sample_rate_hz=2000, clip_length=2000))
    for name in (None, "valve"):
        with pytest.raises(RecipeError, match=f"one of fan_00, pump.*Received: {name}"):
            run(bytes(9999), detector, machine=name)
    _, text = run(s16(tone(2000, 0.3)), detector, machine="pump", pcm="s16le", rate=2000)
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pcm": "s16le"}, RecipeError, "`--pcm s16le` needs `--rate` too"),
        ({"rate": 1000}, RecipeError, "Add `--pcm`"),
        ({"channels": 2}, RecipeError, "Add `--pcm`"),
        ({**RAW, "window_s": 3}, RecipeError, "`window_s` must"),
        ({**RAW, "hop_s": 0.01}, RecipeError, "`hop_s` must"),
        ({**RAW, "live": True, "gap_s": 0}, RecipeError, "`gap_s` must lie above 0"),
        ({}, DataError, "has no WAV header"),
        ({**RAW, "live": True, "channel": 1}, DataError, "has 1 channels"),
    ],
)
def test_what_is_wrong_is_said_before_the_graph_is_loaded(options, error, message):
    class Unloaded(FakeDetector):
        def scorer(self, name):
            raise AssertionError("loaded")

    with pytest.raises(error, match=message):
        run(bytes(9000), Unloaded(), **options)


class Pen(io.StringIO):
    """Takes some lines and then breaks, and counts what was flushed."""

    def __init__(self, most_lines):
        super().__init__()
        self._most_lines = most_lines
        self.num_flushed = 0

    def flush(self):
        self.num_flushed += 1
        if self.num_flushed > self._most_lines:
            raise BrokenPipeError


def test_nothing_more_is_read_when_nobody_reads_the_lines():
    file, pen = io.BytesIO(s16(tone(99_000, 0.3))), Pen(2)
    with pytest.raises(BrokenPipeError):
        run(file, out=pen, **RAW)
    assert pen.num_flushed == 3
    assert file.tell() < 10_000


def test_the_last_line_is_the_one_before_ctrl_c():
    class Interrupted(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 2 * 2500:
                raise KeyboardInterrupt
            return super().read(size)

    is_any, text = run(Interrupted(s16(tone(9000, 0.9))), **RAW)
    assert is_any
    assert len(text.splitlines()) == 2


def piped_wav(samples, rate_hz):
    """WAV as ffmpeg writes it into a pipe: its sizes are unknown."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    content = bytearray(file.getvalue())
    for place in (4, content.index(b"data") + 4):
        content[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    return bytes(content)


def through_a_pipe(path, detector, **options):
    out = io.StringIO()
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        run_stream(detector, cat.stdout, out, StreamOptions(as_json=True, **options))
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("live", [False, True])
def test_sound_through_a_real_pipe_is_heard_whole(tmp_path, live):
    ear, samples = Ear(), np.random.default_rng(0).uniform(-0.5, 0.5, 100_000)
    (tmp_path / "a.wav").write_bytes(piped_wav(samples, 16000))
    detector = FakeDetector(machine(sample_rate_hz=16000, clip_length=64000), scorer=ear)

    lines = through_a_pipe(tmp_path / "a.wav", detector, live=live, hop_s=2.0)

    assert [(line["start_s"], line["end_s"]) for line in lines] == [(0, 4), (2, 6)]
    for start, waveform in zip((0, 32000), ear.heard, strict=True):
        np.testing.assert_allclose(waveform, samples[start : start + 64000], atol=2**-15)


@pytest.mark.parametrize(
    "name",
    ["dcase2020_mini/dev_data/pump/test/normal_id_00_00000007.wav", "mimii_8ch", "lathe"],
)
def test_real_clips_through_a_real_pipe_are_what_they_are_as_files(tmp_path, name):
    place = real_data("4_audio") / name
    path = sorted(place.rglob("*.wav"))[0] if place.is_dir() else place
    (tmp_path / "a.wav").write_bytes(with_unknown_sizes(path.read_bytes()))
    ear = Ear()
    detector = FakeDetector(machine(sample_rate_hz=16000, clip_length=64000), scorer=ear)

    lines = through_a_pipe(tmp_path / "a.wav", detector)

    expected = read_audio(path, AudioConfig(16000, "mean", "resample"))
    starts = range(0, max(1, len(expected) - 64000 + 1), 32000)
    assert [line["start_s"] for line in lines] == [start / 16000 for start in starts]
    assert len(ear.heard) == len(starts)
    for start, waveform in zip(starts, ear.heard, strict=True):
        np.testing.assert_allclose(waveform, expected[start : start + 64000], atol=1e-6)


def with_unknown_sizes(content):
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", 0xFFFFFFFF) + content[place + 4 :]


_PROGRAM = """
    import signal
    import sys
    # A shell that runs the tests in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import numpy as np
    from asdkeras.detector.stream import StreamOptions, run_stream
    from tests.detector.test_stream import FakeDetector
    options = StreamOptions(pcm="s16le", rate=1000, live=True)
    run_stream(FakeDetector(), sys.stdin.buffer, sys.stdout, options)
    print("ended")
    assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


def test_ctrl_c_ends_a_program_that_waits_for_sound():
    reading, writing = os.pipe()
    with (  # What is written is less than is kept, however slowly the program hears it.
        open(writing, "wb", buffering=0) as sound,
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_PROGRAM)],
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        os.close(reading)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        sound.write(s16(tone(3100, 0.25)))
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
        watchdog.cancel()
    assert lines[-1].split() == ["1.00", "3.00", "0.25", "0.5", "normal"]
    assert (rest, errors, process.returncode) == ("ended\n", "", 0)
