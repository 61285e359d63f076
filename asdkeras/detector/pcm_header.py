"""What the bytes of a stream are: WAV by its header, raw samples as told, or no sound at all.

Programs that write WAV into a pipe cannot go back to fill in its sizes, so the sizes of their
headers mean little, and a library that reads files cannot read what they write.
"""

import codecs
import struct

from asdkeras.detector.pcm_format import PLACE, ByteStream, PcmFormat
from asdkeras.errors import DataError, RecipeError

# Recorders into a pipe announce 0, the largest number, or about 2 GiB (arecord, sox).
_SURELY_UNKNOWN_SIZE = 0x7FFF0000
_HEAD = 4096  # bytes looked at to tell samples from something else
_FOREIGN = {
    b"ID3": "MP3",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b".snd": "AU",
    b"caff": "CAF",
    b"\x1aE\xdf\xa3": "Matroska or WebM",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b\x08": "gzip",
    b"\x89PNG": "a PNG picture",
    b"%PDF": "PDF",
}
_MP3_RATES_HZ = (44100, 48000, 32000)
_MP3_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def recognize(source: ByteStream, wanted: PcmFormat | None) -> tuple[PcmFormat, int | None]:
    """Say what comes, and go to its first sample.

    Args:
        source: at its beginning.
        wanted: the format of raw samples; None: a WAV header must tell it.

    Returns:
        the format, and the bytes of sound if that is known.

    Raises:
        DataError: if it is empty, no sound, or its header is damaged.
        RecipeError: if a header contradicts `wanted`.
    """
    head = source.peek(12)
    if not head:
        raise DataError(f"{PLACE}: is empty. Does the program before the pipe record anything?")
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        found, size = _read_wav_header(source)
        if wanted not in (None, found):
            raise RecipeError(
                f"{PLACE}: its WAV header says {found}. Received: {wanted}. Leave out `--pcm`, "
                "`--rate` and `--channels`."
            )
        return found, size
    kind = _foreign_kind(source.peek(_HEAD))
    if kind:
        raise DataError(
            f"{PLACE}: is {kind}, neither WAV nor raw samples. Decode it before the pipe, such "
            "as by `ffmpeg -i FILE -f wav -`."
        )
    if wanted is None:
        raise DataError(
            f"{PLACE}: has no WAV header. Say what its samples are, such as "
            "`--pcm s16le --rate 16000 --channels 1`, or send WAV."
        )
    return wanted, None


def _read_wav_header(source: ByteStream) -> tuple[PcmFormat, int | None]:
    kind, form = struct.unpack("<4s4x4s", source.exactly(12).ljust(12))
    if form != b"WAVE":
        raise DataError(f"{PLACE}: is RIFF, but not WAV. Received: form {form!r}")
    order = ">" if kind == b"RIFX" else "<"
    found: PcmFormat | None = None
    long_size = 0
    while len(header := source.exactly(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", header)
        if name == b"data":
            if found is None:
                raise DataError(f"{PLACE}: its WAV header lacks the format, chunk `fmt `.")
            is_long = kind == b"RF64" and size == 0xFFFFFFFF
            return found, long_size or None if is_long else _known_size(size)
        if name == b"fmt ":
            found = _wav_format(order, source.exactly(min(size, 40)))
            size -= min(size, 40)
        elif name == b"ds64" and size >= 16:  # Holds the sizes that do not fit into 32 bits.
            long_size = struct.unpack("<8xQ", source.exactly(16).ljust(16, b"\0"))[0]
            size -= 16
        _skip(source, size + size % 2)  # Chunks begin at even positions.
    raise DataError(f"{PLACE}: ended within its WAV header, before any sound.")


def _known_size(size: int) -> int | None:
    return size if 0 < size < _SURELY_UNKNOWN_SIZE else None


def _skip(source: ByteStream, count: int) -> None:
    while count and (data := source.some(min(count, 65536))):
        count -= len(data)


def _wav_format(order: str, chunk: bytes) -> PcmFormat:
    if len(chunk) < 16:
        raise DataError(f"{PLACE}: its WAV header is damaged. Received: {len(chunk)} bytes `fmt `")
    code, num_channels, rate_hz, frame, bits = struct.unpack(f"{order}HHI4xHH", chunk[:16])
    if code == 0xFFFE and len(chunk) >= 26:  # extensible: the true code begins the subformat
        code = struct.unpack(f"{order}H", chunk[24:26])[0]
    sample = frame // max(num_channels, 1)
    suffix = "be" if order == ">" else "le"
    encoding = {
        (1, 1): "u8",
        (1, 2): f"s16{suffix}",
        (1, 3): f"s24{suffix}",
        (1, 4): f"s32{suffix}",
        (3, 4): f"f32{suffix}",
        (3, 8): f"f64{suffix}",
        (6, 1): "alaw",
        (7, 1): "mulaw",
    }.get((code, sample))
    if encoding is None or frame != sample * num_channels or not 8 * (sample - 1) < bits:
        raise DataError(
            f"{PLACE}: WAV audio must be integers of 8 to 32 bits, floats of 32 or 64, A-law or "
            f"mu-law. Received: code {code}, {bits} bits, {frame} bytes for {num_channels} channels"
        )
    try:
        return PcmFormat(encoding, rate_hz, num_channels)
    except RecipeError as error:
        raise DataError(f"{PLACE}: its WAV header is damaged: {error}") from error


def _foreign_kind(head: bytes) -> str:
    """What it is if it is surely no raw sound, else nothing."""
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp":
        return "MP4"
    length = _mp3_frame_length(head)
    if length and _mp3_frame_length(head[length:]):
        return "MP3"
    return "text" if _is_text(head) else ""


def _mp3_frame_length(head: bytes) -> int:
    """Bytes of the MPEG layer III frame that begins here; 0 if none does."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version = {0: 4, 2: 2, 3: 1}.get(head[1] >> 3 & 3, 0)  # 4 stands for 2.5.
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 0 or bitrate in (0, 15) or rate == 3:
        return 0
    bits_per_s = 1000 * _MP3_KBITS[min(version, 2)][bitrate]
    samples_per_bit = 144 if version == 1 else 72
    return samples_per_bit * bits_per_s * version // _MP3_RATES_HZ[rate] + padding


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return len(text) >= 16 and all(letter.isprintable() or letter in "\t\r\n" for letter in text)
