"""Header against content: one rule for files and streams, and nothing lost without a word."""

import functools
import io
import os
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asdkeras.data.audio import (
    AudioConfig,
    read_audio,
    read_header,
    read_samples,
    soft_channels,
)
from asdkeras.detector.clip_inputs import read_clips
from asdkeras.detector.pcm import Gap, read_blocks
from asdkeras.errors import DataError

RATE_HZ = 16000
CONFIG = AudioConfig(RATE_HZ, "mean", "resample")


def noise(length=3000, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (length, channels)).astype(np.float32)


def encoded(samples=None, kind="WAV", subtype="PCM_16", rate_hz=RATE_HZ, **options):
    file = io.BytesIO()
    samples = noise() if samples is None else samples
    soundfile.write(file, samples, rate_hz, format=kind, subtype=subtype, **options)
    return file.getvalue()


def with_size(content, size):
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


def with_flac_length(content, length):
    fields = int.from_bytes(content[18:26], "big") >> 36 << 36 | length
    return content[:18] + fields.to_bytes(8, "big") + content[26:]


def as_integers(samples):
    """As libsndfile rounds and reads them."""
    return soundfile.read(io.BytesIO(encoded(samples)), dtype="int16")[0]


class Drops(io.BytesIO):
    """A file that gives its bytes a few at a time, as pipes do."""

    def read(self, size=-1):
        return super().read(min(size, 1 + self.tell() * 7919 % 97))


def streamed(content, **options):
    """The 16-bit samples of each recording of a stream."""
    recordings = [[]]
    for piece in read_blocks(Drops(content), None, RATE_HZ, **options):
        if isinstance(piece, Gap):
            assert (piece.why, piece.is_end) == ("another recording begins", True)
            recordings.append([])
        else:
            recordings[-1].append(piece)
    return [np.concatenate(each) * 32768 for each in recordings]


def refusal(path, read=lambda path: read_audio(path, CONFIG)):
    with pytest.raises(DataError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "RIFX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_files_are_what_libsndfile_reads(path, kind, subtype):
    options = {"kind": "WAV", "endian": "BIG"} if kind == "RIFX" else {"kind": kind}
    path.write_bytes(encoded(noise(channels=3), subtype=subtype, **options))

    expected = soundfile.read(path, dtype="float32")[0]

    assert np.array_equal(read_audio(path, AudioConfig(RATE_HZ, 2, "refuse")), expected[:, 2])
    header = read_header(path)
    assert (header.length, header.num_channels, header.subtype) == (3000, 3, subtype)


LEGAL = {
    "nothing": b"",
    "chunk": b"LIST\4\0\0\0abcd",
    "odd chunk": b"LIST\3\0\0\0abc\0id3 \2\0\0\0xy",
    "odd chunk without padding": b"LIST\3\0\0\0abcid3 \2\0\0\0xy",
    "chunk cut off": b"LIST\xff\1\0\0abc",
    "line break": b"\r\n",
    "tag": b"TAG" + bytes(125),
    "zeros": bytes(70_000),
}


@pytest.mark.parametrize("behind", LEGAL.values(), ids=LEGAL)
@pytest.mark.parametrize("length", [3000, 3001])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8"])
def test_what_may_stand_behind_the_sound_is_not_sound(path, behind, length, subtype, capsys):
    content = encoded(noise(length), subtype=subtype)
    path.write_bytes(content)
    plain = read_audio(path, CONFIG)
    path.write_bytes(content + behind)

    assert np.array_equal(read_audio(path, CONFIG), plain)
    assert read_header(path).length == length
    (samples,) = streamed(content + behind)
    assert np.array_equal(samples, plain * 32768)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_a_size_of_64_bits_counts(path, name, capsys):
    content = encoded(kind="RF64")
    content = name + content[4:]
    path.write_bytes(content + LEGAL["chunk"])
    assert np.array_equal(read_samples(path, CONFIG), as_integers(noise()))
    assert np.array_equal(streamed(content + LEGAL["chunk"])[0], as_integers(noise()))

    path.write_bytes(content[:-600])
    assert "cut off, 600 bytes" in refusal(path)
    assert len(streamed(content[:-600])[0]) == 2700
    assert "ended 600 bytes before" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_an_unknown_size_is_read_to_the_end(path, size):
    path.write_bytes(with_size(encoded(), size))
    assert np.array_equal(read_samples(path, CONFIG), as_integers(noise()))
    assert read_header(path).length == 3000


def test_a_large_size_that_somebody_may_have_known_counts(path):
    path.write_bytes(with_size(encoded(), 3 * 2**30))
    assert "cut off, 3221219472 bytes" in refusal(path)
    assert "cut off, 3221219472 bytes" in refusal(path, read_header)


@pytest.mark.parametrize("announced", [2, 1001, 1200, 5000])
def test_sound_behind_the_announced_end_is_refused_in_a_file_and_used_of_a_stream(
    path, announced, capsys
):
    content, said = with_size(encoded(), announced), f"{announced / 2 / RATE_HZ:.4g} s"
    path.write_bytes(content)

    for read in (read_header, lambda path: read_audio(path, CONFIG)):
        assert f"its header announces {said}, and more sound lies behind" in refusal(path, read)
    (samples,) = streamed(content)

    assert np.array_equal(samples, as_integers(noise()))
    assert capsys.readouterr().err == (
        f"asdkeras: note: sound goes on behind {said}, which its WAV header announces; it is used\n"
    )


def test_a_second_chunk_of_sound_is_sound(path):
    content = with_size(encoded(), 2000)
    content = (
        content[:2044] + b"LIST\2\0\0\0ab" + b"data" + struct.pack("<I", 4000) + content[2044:]
    )
    path.write_bytes(content)
    assert np.array_equal(read_samples(path, CONFIG), as_integers(noise()))
    assert read_header(path).length == 3000
    assert np.array_equal(streamed(content)[0], as_integers(noise()))


@pytest.mark.parametrize(
    ("size", "behind"),
    [(None, "nothing"), (None, "odd chunk"), *((size, "nothing") for size in (0, 2**32 - 1, 9000))],
)
def test_recordings_that_follow_each_other_are_all_used_or_refused(path, size, behind, capsys):
    """With sizes that are known, unknown, and of a recorder that ended early."""
    parts = [noise(3000, seed=seed) for seed in range(3)]
    contents = [encoded(part) for part in parts]
    if size is not None:
        contents = [with_size(content, size) for content in contents]
    content = b"".join(each + LEGAL[behind] for each in contents)
    path.write_bytes(content)

    recordings = streamed(content)

    assert len(recordings) == 3
    for samples, part in zip(recordings, parts, strict=True):
        assert np.array_equal(samples, as_integers(part))
    assert refusal(path).startswith("holds another recording behind the first")
    assert ("ended 3000 bytes before" in capsys.readouterr().err) == (size == 9000)


def test_a_header_between_two_bytes_of_a_sample_is_found():
    first = with_size(encoded(), 0)[:-1]
    recordings = streamed(first + encoded(noise(seed=1)))
    assert [len(samples) for samples in recordings] == [2999, 3000]
    assert np.array_equal(recordings[1], as_integers(noise(seed=1)))


def test_recordings_of_a_stream_may_be_written_in_different_ways(capsys):
    other = encoded(noise(6000, 2, seed=1), subtype="FLOAT", rate_hz=2 * RATE_HZ)
    recordings = streamed(encoded() + other + encoded(noise(seed=2)))
    assert [len(samples) for samples in recordings] == [3000, 3000, 3000]
    assert np.array_equal(recordings[2], as_integers(noise(seed=2)))
    said = capsys.readouterr().err
    assert "the mean of 2 channels" in said
    assert "resampled from 32000" in said


def test_a_later_recording_of_a_lower_rate_is_refused_behind_the_sound_before_it():
    pieces = read_blocks(io.BytesIO(encoded() + encoded(rate_hz=8000)), None, RATE_HZ)
    assert len(next(pieces)) == RATE_HZ // 10
    with pytest.raises(DataError, match="Received: 8000 Hz"):
        list(pieces)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("FLAC", "PCM_24")])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_flac_of_unknown_length_is_read_whole(path, kind, subtype, num_channels):
    samples = noise(300_000, num_channels)
    path.write_bytes(encoded(samples, kind, subtype))
    plain = read_samples(path, CONFIG)
    path.write_bytes(with_flac_length(path.read_bytes(), 0))

    assert np.array_equal(read_samples(path, CONFIG), plain)
    assert plain.dtype == ("int16" if (num_channels, subtype) == (1, "PCM_16") else "float32")
    header = read_header(path)
    assert (header.length, header.num_channels) == (300_000, num_channels)
    assert (header.sample_rate_hz, header.subtype) == (RATE_HZ, subtype)


def test_flac_whose_header_differs_from_its_content_is_refused(path):
    content = encoded(noise(40_000), "FLAC")
    for length, reason in (
        (20_000, "its header announces 1.25 s, and more sound"),
        (50_000, "(cut off|damaged)"),
    ):
        path.write_bytes(with_flac_length(content, length))
        assert re.match(reason, refusal(path))
    for behind in (b"TAG" + bytes(125), b"junk" * 99, bytes(999)):
        path.write_bytes(content + behind)
        assert len(read_audio(path, CONFIG)) == 40_000


@pytest.mark.parametrize(
    ("kind", "subtype", "reason"),
    [
        ("OGG", "VORBIS", "no WAV or FLAC audio: is Ogg"),
        ("MP3", "MPEG_LAYER_III", "no WAV or FLAC audio: is MP3"),
        ("AIFF", "PCM_16", "no WAV or FLAC audio: is AIFF"),
        ("AU", "PCM_16", r"no WAV or FLAC audio: it begins with b'\.snd'"),
        ("W64", "PCM_16", "no WAV or FLAC audio: it begins with b'riff'"),
        ("WAV", "GSM610", "WAV audio must be integers.*Received: code 49"),
        ("WAV", "IMA_ADPCM", "WAV audio must be integers.*Received: code 17"),
    ],
)
@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("name", ["a.wav", "a.raw", "a"])
def test_what_is_neither_wav_nor_flac_costs_no_other_clip(
    tmp_path, kind, subtype, reason, is_cut, name
):
    content = encoded(noise(2 * RATE_HZ), kind, subtype)
    (tmp_path / name).write_bytes(content[: len(content) // (1 + is_cut)])
    (tmp_path / "b.flac").write_bytes(encoded(noise(2 * RATE_HZ), "FLAC"))
    errors = []

    clips = [tmp_path / name, tmp_path / "b.flac"]
    names = [name for name, _ in read_clips(clips, RATE_HZ, on_error=errors.append)]

    assert names == [str(tmp_path / "b.flac")]
    (error,) = errors
    with pytest.raises(DataError, match=f"{name}: {reason}"):
        raise error


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").startswith("is a pipe or device, not a file. Send it as a")
    assert "is a pipe or device" in refusal(Path("/dev/null"), read_header)


@pytest.mark.parametrize("depth", [2**-15, 2**-7])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_channels_of_opposite_phase_are_refused_and_one_of_them_is_not(path, depth, offset):
    left, right = noise()[:, 0], noise(seed=1)[:, 0]
    channels = np.stack([left + offset, offset - left + depth * right], axis=1)
    content = encoded(channels, subtype="FLOAT")
    path.write_bytes(content)

    assert "its 2 channels cancel out, being of opposite phase" in refusal(path)
    assert "`audio.channel=0`" in refusal(path)
    assert len(read_audio(path, AudioConfig(RATE_HZ, 1, "refuse"))) == 3000
    with pytest.raises(DataError, match=r"channels cancel out.*--channel 0"):
        read_blocks(io.BytesIO(content), None, RATE_HZ)
    assert sum(map(len, read_blocks(io.BytesIO(content), None, RATE_HZ, channel=1))) == 3000


def test_channels_that_cancel_out_later_in_a_stream_are_a_gap():
    together, against = np.repeat(noise(), 2, axis=1), noise() * np.array([1, -1], np.float32)
    content = encoded(np.concatenate([together, against, together]), subtype="FLOAT")
    gaps = [
        each for each in read_blocks(io.BytesIO(content), None, RATE_HZ) if isinstance(each, Gap)
    ]
    assert sum(gap.num_samples for gap in gaps) == RATE_HZ // 10
    assert all("cancel out" in gap.why for gap in gaps)


@pytest.mark.parametrize("num_channels", [2, 8, 200])
def test_channels_that_do_not_cancel_out_are_taken(path, num_channels):
    alone = np.zeros((3000, num_channels), np.float32)
    alone[:, -1] = noise()[:, 0]
    for channels in (alone, noise(channels=num_channels), np.repeat(noise(), num_channels, 1)):
        path.write_bytes(encoded(channels, subtype="FLOAT"))
        mean = channels.mean(axis=1, dtype=np.float64)
        np.testing.assert_allclose(read_audio(path, CONFIG), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ((1, 0), "channel 1, from 0, of {} is silent beside the loudest"),
        ((0.01, 1, 0), "channels 0, 2, from 0, of {} are silent beside the loudest"),
        ((1, 0.1), ""),
        ((1,), ""),
    ],
)
def test_channels_that_make_the_mean_softer_are_named(path, levels, said, capsys):
    samples = noise(2 * RATE_HZ, len(levels)) * np.float32(levels)
    path.write_bytes(encoded(samples, subtype="FLOAT"))
    assert soft_channels(path, CONFIG) == said.format(path)
    assert soft_channels(path, AudioConfig(RATE_HZ, 0, "refuse")) == ""

    list(read_clips([path, path], RATE_HZ))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (len(levels) > 1)
    assert (said.format(path) in "".join(lines)) or not said


SEEDS = [
    encoded(),
    encoded(noise(channels=2), subtype="PCM_24"),
    encoded(noise(channels=2), subtype="FLOAT"),
    encoded(kind="RF64"),
    encoded(kind="WAVEX", subtype="DOUBLE"),
    encoded(subtype="PCM_U8", endian="BIG"),
    encoded(subtype="GSM610"),
    encoded(kind="FLAC"),
    encoded(noise(9000, 2), "FLAC", "PCM_24"),
    with_flac_length(encoded(kind="FLAC"), 0),
    encoded(kind="OGG", subtype="VORBIS"),
]
MUTATIONS = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(b"")),
    st.tuples(st.just("write"), st.integers(0, 130), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("write"), st.integers(0, 60), st.sampled_from([bytes(4), b"\xff" * 4])),
    st.tuples(st.just("write"), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.sampled_from([*SEEDS, *LEGAL.values()])),
)


def mutated(content, mutations):
    for kind, where, data in mutations:
        place = int(where * len(content)) if isinstance(where, float) else min(where, len(content))
        behind = {"cut": b"", "write": content[place + len(data) :], "insert": content[place:]}
        content = content[:place] + data + behind[kind]
    return content


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.sampled_from(SEEDS),
    mutations=st.lists(MUTATIONS, min_size=1, max_size=3),
    channel=st.sampled_from(["mean", 1]),
)
def test_whatever_is_done_to_a_file_there_are_samples_or_one_line(
    path, content, mutations, channel
):
    content = mutated(content, mutations)
    path.write_bytes(content)
    config = AudioConfig(RATE_HZ, channel, "resample")
    pieces = functools.partial(read_blocks, channel=channel, resample_up=True)
    attempts = {
        f"{path}": [lambda: 1 / read_header(path).sample_rate_hz, lambda: read_audio(path, config)],
        "standard input": [lambda: list(pieces(io.BytesIO(content), None, RATE_HZ))],
    }
    for place, reads in attempts.items():
        for read in reads:
            said = ""
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    read()
                except DataError as error:
                    said = str(error)
            assert said == "" or (said.startswith(f"{place}: ") and "\n" not in said)
