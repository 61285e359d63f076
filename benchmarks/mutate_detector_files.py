"""Break what a detector reads, writes and prints in known ways.

Run: `python benchmarks/mutate_detector_files.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("data/normal_clips.py", "data/test_normal_clips.py"): {
        "test clips are read": (
            'if clip.split == "train" or clip.machine_type not in trained',
            "if True",
        ),
        "machine types without training clips are dropped": (
            'if clip.split == "train" or clip.machine_type not in trained',
            'if clip.split == "train"',
        ),
        "one official name is enough": (
            "is_official = None not in names",
            "is_official = any(names)",
        ),
        "a longer name counts as a folder below": ("other + os.sep", "other"),
        "folders above the given one count": ("root.absolute().parent).split", '"/").split'),
        "the given folder's own name does not count": (
            "os.path.relpath(folder, root.absolute().parent)",
            "os.path.relpath(folder, root)",
        ),
        "names are anomalous in lower case only": (
            "file_name.lower().startswith",
            "file_name.startswith",
        ),
        "one clip is enough": ("FEWEST_CLIPS = 2", "FEWEST_CLIPS = 1"),
        "sections are counted together": ("if len(clips) <", "if len(table) <"),
        "hidden files are noted": ('and not entry.name.startswith(".")', "and True"),
    },
    ("detector/clips.py", "detector/test_clips.py"): {
        "lower rates are accepted": ("< wanted and not resample_up", "< 0 and not resample_up"),
        "length is counted at the detector's rate": (
            "header.length, header.sample_rate_hz, least_s",
            "header.length, wanted, least_s",
        ),
        "notes are said again": ("said.add(what)", "pass"),
        "int16 is not scaled": (" * np.float32(INT16_SCALE)", ""),
        "peaks above 1 are refused": ("peak > HIGHEST_PEAK", "peak > 1.0"),
        "only positive peaks count": ("np.abs(waveform).max()", "waveform.max() * 0"),
        "the first channel is heard": (
            'AudioConfig(sample_rate_hz, channel, "resample")',
            'AudioConfig(sample_rate_hz, 0, "resample")',
        ),
        "the first error ends it all": ("    on_error(error)\n", "    raise error\n"),
        "the section is not asked for": ("parsed is not None and", "False and"),
        "parts of words are words": (r"(?![^\W_])", ""),
        "a folder of a split is a machine": (
            '_NO_MACHINES = {*folders.FOLDERS, "normal", "anomaly", "abnormal"}',
            "_NO_MACHINES = {*()}",
        ),
    },
    ("detector/file.py", "detector/test_file.py"): {
        "unsafe mode": ("load_model(model)", "load_model(model, safe_mode=False)"),
        "newer files are read": ("version > VERSION", "version > 9"),
        "names may lead out": ('or ".." in PurePosixPath(name).parts', ""),
        "thresholds may be NaN": ("and math.isfinite(value)", ""),
        "NaN is written": ("allow_nan=False", "allow_nan=True"),
        "a missing model is not noticed": ("not in archive.namelist()", "in ()"),
        "a half file takes the place of the old": (
            "with replacing(Path(path)) as whole, zipfile.ZipFile(whole",
            "with zipfile.ZipFile(path",
        ),
        "models are exchanged": ("models[name].save(part)", "models[min(models)].save(part)"),
    },
    ("detector/decisions.py", "detector/test_decisions.py"): {
        "the last clip decides": ("is_any_anomalous |= ", "is_any_anomalous = "),
        "lines wait": ("file=out, flush=True)", "file=out)"),
        "CSV is rounded": (
            'str(row["is_anomalous"]).lower()}',
            'str(row["is_anomalous"]).lower(), "anomaly_score": f"{row[\'anomaly_score\']:.4g}"}',
        ),
    },
    ("detector/work_folder.py", "detector/test_work_folder.py"): {
        "any folder is removed": ("if mark.exists():", "if True:"),
        "what was written is removed": ("== [mark]", "!= []"),
        "an empty folder is left": ("== [mark]", "== []"),
    },
    ("cli.py", "test_cli.py::test_detect_fails_on_an_anomaly_if_told"): {
        "an anomaly is no failure": ("return _ANOMALOUS", "return 0"),
    },
    ("cli.py", "test_cli.py::test_detect_ends_well_whatever_it_hears_unless_told"): {
        "an anomaly is always a failure": ("and arguments.fail_on_anomaly", ""),
    },
    ("cli.py", "test_cli.py::test_detect_names_clips_it_cannot_use_after_the_scores"): {
        "bad clips are no failure": ("if errors else 0", "if not errors else 0"),
        "errors are not said": (
            "_print_error(error)\n\n\ndef _detect_stream",
            "pass\n\n\ndef _detect_stream",
        ),
    },
    ("cli.py", "test_cli.py::test_fit_hands_on_its_options_and_keeps_a_folder_one_names"): {
        "a folder one names is removed": ("if work is None else", "if True else"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
