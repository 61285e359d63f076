"""What is known about the domain of a clip when it is scored."""

import pandas as pd

from asdkeras.metrics.official import rules_for


def with_known_domains(table: pd.DataFrame) -> pd.DataFrame:
    """The clip table as a scorer or a threshold may use it.

    The rules of 2022 to 2025 withhold the domain of test clips: there it is missing, although the
    file names of the development set and the ground truth have it, which metrics go by. The rules
    of 2021 give it, 2020 has none, and recordings of one's own have the domain they state.
    Training clips keep theirs in every year; held-out ones are scored as test clips are.
    """
    datasets = table["dataset"]
    hiding = [name for name in datasets.unique() if rules_for(str(name)).hides_domains]
    is_hidden = datasets.isin(hiding).to_numpy(bool) & (table["split"] != "train").to_numpy(bool)
    return table.assign(domain=table["domain"].mask(is_hidden, pd.NA))
