"""Sound from a pipe: every way to write it gives the same waveform, what is no sound is refused."""

import errno
import io
import os
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from asdkeras.data.audio import AudioConfig, read_audio
from asdkeras.data.wav import ENCODINGS, PcmFormat
from asdkeras.detector.pcm import Gap, read_blocks
from asdkeras.errors import DataError, RecipeError

RATE_HZ = 16000
S16 = PcmFormat("s16le", RATE_HZ, 1)


class Drops(io.BytesIO):
    """A file that gives its bytes a few at a time, as pipes do."""

    def __init__(self, content, sizes=(1, 2, 3, 5, 700)):
        super().__init__(content)
        self._sizes = sizes
        self._count = 0

    def read(self, size=-1):
        self._count += 1
        return super().read(min(size, self._sizes[self._count % len(self._sizes)]))


def noise(length=RATE_HZ // 4, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, length)


def heard(file, wanted=None, rate_hz=RATE_HZ, **options):
    """All blocks as one waveform; there must be no gap."""
    pieces = list(read_blocks(file, wanted, rate_hz, **options))
    assert not any(isinstance(piece, Gap) for piece in pieces)
    assert all(piece.dtype == np.float32 and piece.ndim == 1 for piece in pieces)
    return np.concatenate(pieces) if pieces else np.empty(0, np.float32)


def wav(samples=None, rate_hz=RATE_HZ, **options):
    """Content of a WAV file."""
    file = io.BytesIO()
    samples = noise() if samples is None else samples
    soundfile.write(file, samples, rate_hz, **{"format": "WAV", "subtype": "PCM_16", **options})
    return file.getvalue()


def with_data_size(content, size):
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


def integer_bytes(values, num_bytes, order):
    return b"".join(int(value).to_bytes(num_bytes, order, signed=True) for value in values)


@pytest.mark.parametrize("num_bytes", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["little", "big"])
def test_raw_integers_are_divided_by_their_full_scale(num_bytes, order):
    full_scale = 2 ** (8 * num_bytes - 1)
    values = [0, 1, -1, full_scale // 3, -full_scale, full_scale - 1] * 9
    encoding = "s8" if num_bytes == 1 else f"s{8 * num_bytes}{order[0]}e"

    waveform = heard(
        io.BytesIO(integer_bytes(values, num_bytes, order)), PcmFormat(encoding, RATE_HZ, 1)
    )

    np.testing.assert_allclose(waveform, np.array(values) / full_scale, rtol=1e-6, atol=1e-9)


def test_bytes_without_a_sign_have_their_zero_in_the_middle():
    waveform = heard(io.BytesIO(bytes([0, 64, 128, 255])), PcmFormat("u8", RATE_HZ, 1))
    np.testing.assert_allclose(waveform, [-1, -0.5, 0, 127 / 128])


@pytest.mark.parametrize(
    ("encoding", "dtype"), [("f32le", "<f4"), ("f32be", ">f4"), ("f64le", "<f8"), ("f64be", ">f8")]
)
def test_raw_floats_come_as_they_are(encoding, dtype):
    samples = noise()
    waveform = heard(io.BytesIO(samples.astype(dtype).tobytes()), PcmFormat(encoding, RATE_HZ, 1))
    assert np.array_equal(waveform, samples.astype(np.float32))


def mulaw(byte):
    """ITU-T G.711, table 2a, as 16-bit values."""
    byte = ~byte & 0xFF
    magnitude = ((((byte & 15) << 3) + 0x84) << (byte >> 4 & 7)) - 0x84
    return -magnitude if byte & 0x80 else magnitude


def alaw(byte):
    """ITU-T G.711, table 1a, as 16-bit values."""
    byte ^= 0x55
    exponent, mantissa = byte >> 4 & 7, byte & 15
    magnitude = (mantissa << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if byte & 0x80 else -magnitude


@pytest.mark.parametrize(("encoding", "law"), [("mulaw", mulaw), ("alaw", alaw)])
def test_telephone_laws_are_those_of_g711(encoding, law):
    waveform = heard(io.BytesIO(bytes(range(256))), PcmFormat(encoding, RATE_HZ, 1))
    np.testing.assert_allclose(waveform, [law(byte) / 32768 for byte in range(256)])


def test_every_encoding_counts_its_bytes():
    assert len(ENCODINGS) == 14
    for encoding in ENCODINGS:
        pcm = PcmFormat(encoding, RATE_HZ, 3)
        blocks = heard(io.BytesIO(bytes(pcm.bytes_per_frame * 7)), pcm)
        assert len(blocks) == 7


@pytest.mark.parametrize("unknown", [None, 0, 0xFFFFFFFF, 0x80000000, 0x7FFFFF00, 0x7FFFF000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"format": "WAVEX"},
        {"format": "RF64"},
        {"subtype": "PCM_U8"},
        {"subtype": "PCM_24", "format": "WAVEX"},
        {"subtype": "PCM_32"},
        {"subtype": "FLOAT"},
        {"subtype": "DOUBLE"},
        {"subtype": "ALAW"},
        {"subtype": "ULAW"},
        {"endian": "BIG"},
        {"endian": "BIG", "subtype": "PCM_24"},
    ],
    ids=lambda options: "-".join(options.values()),
)
def test_wav_from_a_pipe_is_what_it_is_as_a_file(tmp_path, options, unknown):
    content = wav(**options)
    (tmp_path / "a.wav").write_bytes(content)
    if unknown is not None:
        content = with_data_size(content, unknown)

    waveform = heard(io.BytesIO(content))

    expected = read_audio(tmp_path / "a.wav", AudioConfig(RATE_HZ, 0, "refuse"))
    assert np.array_equal(waveform[: len(expected)], expected)
    after = len(waveform) - len(expected)  # Chunks behind sound of unknown length are heard.
    assert after == 0 if options.get("subtype") not in ("FLOAT", "DOUBLE") else after < 100


def test_chunks_before_and_after_the_sound_are_not_heard():
    content = wav(np.array([1, -2, 3], np.int16))
    odd_chunk = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    content = content[:12] + odd_chunk + content[12:] + odd_chunk
    assert (heard(Drops(content)) * 32768).tolist() == [1, -2, 3]


def test_samples_come_whole_however_the_bytes_come():
    values = np.random.default_rng(0).integers(-9999, 9999, (3000, 3))
    content = integer_bytes(values.ravel(), 3, "little")
    waveform = heard(Drops(content), PcmFormat("s24le", RATE_HZ, 3), channel=1)
    np.testing.assert_allclose(waveform * 2**23, values[:, 1])


def test_no_block_is_longer_than_a_tenth_of_a_second():
    blocks = list(read_blocks(io.BytesIO(bytes(2 * RATE_HZ)), S16, RATE_HZ))
    assert max(map(len, blocks)) == RATE_HZ // 10


def test_one_channel_or_the_mean_of_all_is_heard_and_said(capsys):
    channels = np.stack([noise(seed=0), noise(seed=1), noise(seed=2)], axis=1)
    content = wav(channels, subtype="FLOAT")

    second, mean = heard(io.BytesIO(content), channel=1), heard(io.BytesIO(content))

    np.testing.assert_allclose(second, channels[:, 1], atol=1e-7)
    np.testing.assert_allclose(mean, channels.mean(axis=1), atol=1e-7)
    messages = capsys.readouterr().err.splitlines()
    assert messages == [
        "asdkeras: note: channel 1, from 0, of 3 channels is heard",
        "asdkeras: note: the mean of 3 channels is heard",
    ]


@pytest.mark.parametrize(
    ("channel", "error", "message"),
    [
        (2, DataError, r"standard input: has 2 channels, counted from 0. Received: channel=2"),
        (-1, RecipeError, r"`channel` must be `mean`, or from 0. Received: -1"),
    ],
)
def test_a_channel_that_is_not_there_is_refused(channel, error, message):
    with pytest.raises(error, match=message):
        read_blocks(io.BytesIO(wav(np.zeros((99, 2)))), None, RATE_HZ, channel=channel)


@pytest.mark.parametrize("rate_hz", [22050, 44100, 48000])
def test_resampling_block_by_block_is_resampling_at_once(tmp_path, rate_hz, capsys):
    content = wav(noise(rate_hz), rate_hz)
    (tmp_path / "a.wav").write_bytes(content)

    waveform = heard(Drops(content))

    expected = read_audio(tmp_path / "a.wav", AudioConfig(RATE_HZ, 0, "resample"))
    assert len(waveform) == len(expected) == RATE_HZ
    np.testing.assert_allclose(waveform, expected, atol=1e-6)
    assert f"resampled from {rate_hz} to {RATE_HZ} Hz" in capsys.readouterr().err


def test_a_lower_rate_is_refused_unless_one_insists():
    content = wav(noise(8000), 8000)
    with pytest.raises(DataError, match=r"at least the detector's 16000 Hz.*Received: 8000 Hz"):
        read_blocks(io.BytesIO(content), None, RATE_HZ)
    assert len(heard(io.BytesIO(content), resample_up=True)) == RATE_HZ


def test_a_header_must_not_contradict_what_is_said():
    same = heard(io.BytesIO(wav()), S16)
    assert len(same) == len(noise())
    with pytest.raises(RecipeError, match=r"header says s16le, 16000 Hz.*Received: s16le, 8000 Hz"):
        read_blocks(io.BytesIO(wav()), PcmFormat("s16le", 8000, 1), RATE_HZ)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("S16_LE", 16000, 1), r"`--pcm` must be one of u8, .*Received: 'S16_LE'"),
        (("s16le", 0, 1), r"`--rate` must be from 1.*Received: 0"),
        (("s16le", 768001, 1), r"`--rate` must be from 1.*Received: 768001"),
        (("s16le", 16000, 0), r"`--channels` must be from 1.*Received: 0"),
        (("s16le", 16000, 257), r"`--channels` must be from 1.*Received: 257"),
    ],
)
def test_formats_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(RecipeError, match=message):
        PcmFormat(*arguments)


def encoded(kind, **options):
    file = io.BytesIO()
    soundfile.write(file, noise(RATE_HZ), RATE_HZ, format=kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encoded("FLAC"), "FLAC"),
        (encoded("OGG"), "Ogg"),
        (encoded("AIFF"), "AIFF"),
        (b"ID3\4" + bytes(99), "MP3"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "MP4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("wanted", [S16, None])
def test_what_is_surely_no_sound_is_named(content, kind, wanted):
    with pytest.raises(DataError, match=f"standard input: is {kind}, neither.*ffmpeg"):
        read_blocks(io.BytesIO(content), wanted, RATE_HZ)


@pytest.mark.parametrize("peak", [1, 2, 100, 32767])
def test_samples_are_not_taken_for_something_else(peak):
    generator = np.random.default_rng(0)
    for _ in range(50):
        samples = generator.integers(-peak, peak, 2048, np.int16, endpoint=True)
        assert len(heard(io.BytesIO(samples.tobytes()), S16)) == 2048


FMT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)


def header(*chunks):
    return b"RIFF\0\0\0\0WAVE" + b"".join(chunks)


def fmt(code=1, channels=1, rate=16000, frame=2, bits=16):
    return b"fmt " + struct.pack("<IHHIIHH", 16, code, channels, rate, 0, frame, bits)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (bytes(100), "has no WAV header. Say what its samples are, such as `--pcm s16le"),
        (b"RIFF\0\0\0\0AVI " + bytes(99), "has no WAV header"),
        (b"RIFF\0\0", "has no WAV header"),
        (header(), "ended within its WAV header"),
        (header(FMT), "ended within its WAV header"),
        (header(FMT, b"LIST\xff\xff\0\0abc"), "ended within its WAV header"),
        (header(b"data\0\0\0\0", FMT), "lacks the format"),
        (header(b"fmt \4\0\0\0\1\0\1\0data"), "header is damaged. Received: 4 bytes"),
        (header(fmt(code=2), b"data\0\0\0\0"), "must be integers.*Received: code 2, 16 bits"),
        (header(fmt(frame=3), b"data\0\0\0\0"), "must be integers.*16 bits, 3 bytes for 1"),
        (header(fmt(channels=2, frame=3), b"data\0\0\0\0"), "must be integers.*3 bytes for 2"),
        (header(fmt(channels=0), b"data\0\0\0\0"), "must be integers.*for 0 channels"),
        (header(fmt(code=3, bits=16), b"data\0\0\0\0"), "must be integers.*code 3"),
        (header(fmt(rate=0), b"data\0\0\0\0"), "header is damaged.*768000 Hz. Received: 0"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(content, message):
    with pytest.raises(DataError, match=f"standard input: .*{message}"):
        read_blocks(io.BytesIO(content), None, RATE_HZ)


def test_a_terminal_is_no_microphone():
    _, terminal = os.openpty()
    with (
        os.fdopen(terminal, "rb") as file,
        pytest.raises(DataError, match=r"is a terminal.*arecord -t wav -f S16_LE -r 16000"),
    ):
        read_blocks(file, S16, RATE_HZ)


def test_a_pipe_that_breaks_is_named():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(DataError, match="standard input: cannot be read: Input/output error"):
        read_blocks(Broken(), S16, RATE_HZ)


def test_a_pipe_that_does_not_wait_is_waited_for():
    content = integer_bytes(range(3000), 2, "little")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    command = f"sleep 0.1; cat >/dev/fd/{writing}"
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, pass_fds=[writing]) as cat:
        os.close(writing)
        cat.stdin.write(content)
        cat.stdin.close()
        with os.fdopen(reading, "rb") as file:
            waveform = heard(file, S16)
    assert np.array_equal(waveform * 32768, np.arange(3000))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 3.0, -1e30])
def test_a_beginning_that_is_no_sound_is_refused(wrong):
    samples = noise().astype("<f4")
    samples[99] = wrong
    pcm = PcmFormat("f32le", RATE_HZ, 1)
    with pytest.raises(DataError, match=r"NaN, infinite or far beyond \[-1, 1\]. Read as: f32le"):
        read_blocks(io.BytesIO(samples.tobytes()), pcm, RATE_HZ)


@pytest.mark.parametrize("wrong", [np.nan, -np.inf, 3.0])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_samples_that_are_no_sound_are_a_gap_and_time_goes_on(wrong, rate_hz):
    samples = noise(2 * rate_hz).astype("<f4")
    samples[rate_hz] = wrong
    pcm = PcmFormat("f32le", rate_hz, 1)

    pieces = list(read_blocks(io.BytesIO(samples.tobytes()), pcm, RATE_HZ))

    gaps = [number for number, piece in enumerate(pieces) if isinstance(piece, Gap)]
    assert len(gaps) == 1
    before = sum(map(len, pieces[: gaps[0]]))
    lost = pieces[gaps[0]].num_samples
    after = sum(map(len, pieces[gaps[0] + 1 :]))
    assert before <= RATE_HZ < before + lost
    assert 0 < lost <= RATE_HZ // 10 + 1
    assert before + lost + after == 2 * RATE_HZ
    assert all(np.isfinite(piece).all() for piece in pieces if not isinstance(piece, Gap))


def test_no_sound_of_before_a_gap_rings_on_behind_it():
    samples = np.zeros(96000, "<f4")
    samples[:48000] = 1.0
    samples[48000] = np.nan
    pieces = list(read_blocks(io.BytesIO(samples.tobytes()), PcmFormat("f32le", 48000, 1), RATE_HZ))
    (gap,) = (number for number, piece in enumerate(pieces) if isinstance(piece, Gap))
    assert np.abs(np.concatenate(pieces[:gap])).max() > 0.9
    after = np.concatenate(pieces[gap + 1 :])
    assert len(after) > 14000
    assert not after.any()


def test_a_pause_is_a_gap_only_where_sound_does_not_wait():
    def pieces(gap_s):
        times = iter([10.0, 10.1, 13.1, 15.1, 15.2])
        file = io.BytesIO(bytes(4 * 3200))
        clock = {"clock": lambda: next(times)}
        return list(read_blocks(Drops(file.read(), (3200,)), S16, RATE_HZ, gap_s=gap_s, **clock))

    assert [piece for piece in pieces(None) if isinstance(piece, Gap)] == []
    (gap,) = (piece for piece in pieces(2.0) if isinstance(piece, Gap))
    assert gap.num_samples == 0
    assert gap.waited_s == pytest.approx(3.0)
    assert isinstance(pieces(2.0)[0], np.ndarray)


def test_an_end_within_a_sample_is_told(capsys):
    assert len(heard(io.BytesIO(bytes(4001)), S16)) == 2000
    assert capsys.readouterr().err == (
        "asdkeras: standard input: ended within a sample, 1 of 2 bytes; is it s16le, 16000 Hz, "
        "channels: 1?\n"
    )


def test_an_end_before_the_announced_one_is_told(capsys):
    assert len(heard(io.BytesIO(wav()[:-500]))) == len(noise()) - 250
    assert "ended 500 bytes before its WAV header says" in capsys.readouterr().err


def test_nothing_is_told_of_a_whole_stream(capsys):
    heard(io.BytesIO(wav()))
    heard(io.BytesIO(with_data_size(wav(), 0xFFFFFFFF)))
    assert capsys.readouterr().err == ""
