"""The data of the demo: the RAND Health Insurance Experiment, as statsmodels ships it (public domain).

20,190 person-years, without ids. Consecutive rows with the same covariates are taken for one person: a reconstruction,
used to keep a person's years together in one part of the split and in one cluster of the intervals.
"""

import numpy as np
import pandas as pd
from statsmodels.datasets import randhie

VISITS = 5
"""A high user made at least so many outpatient visits in the year: a fifth of the person-years."""

LABEL = "high_user"
INPUTS = ("chronic_diseases", "individual_deductible", "log_incentive_payment", "log_max_expenditure")
SENSITIVE = ("physical_limitation", "self_rated_health", "coinsurance")
PERSON = "person"


def load() -> pd.DataFrame:
    """Return the person-years with the label, the inputs of the model, the sensitive features and the person.

    Returns
    -------
    DataFrame
        20,190 rows: `high_user` 0/1; `INPUTS` as numbers; `SENSITIVE` as text; `person`, a reconstruction.

    Examples
    --------
    >>> frame = load()
    >>> len(frame), frame["person"].nunique(), round(float(frame["high_user"].mean()), 3)
    (20190, 5294, 0.2)
    """
    raw = randhie.load_pandas().data
    covariates = raw.drop(columns="mdvis")
    return pd.DataFrame(
        {
            LABEL: (raw["mdvis"] >= VISITS).astype(np.int64),
            "chronic_diseases": raw["disea"].astype(float),
            "individual_deductible": raw["idp"].astype(float),
            "log_incentive_payment": raw["lpi"].astype(float),
            "log_max_expenditure": raw["fmde"].astype(float),
            "physical_limitation": _limitation(raw["physlm"]),
            "self_rated_health": _health(raw),
            "coinsurance": _coinsurance(raw["lncoins"]),
            PERSON: (covariates != covariates.shift()).any(axis=1).cumsum().astype(np.int64),
        }
    )


def visits() -> pd.Series:
    """Return the outpatient visits of each person-year, in the order of `load`.

    Examples
    --------
    >>> bool(((visits() >= VISITS) == (load()[LABEL] == 1)).all())
    True
    """
    counts: pd.Series = randhie.load_pandas().data["mdvis"].astype(np.int64)
    return counts


def _limitation(physlm: pd.Series) -> np.ndarray:
    """Name the groups; fractions are imputed values, and imputed is a group of its own."""
    return np.select([physlm == 1, physlm == 0], ["limited", "not limited"], default="imputed")


def _health(raw: pd.DataFrame) -> np.ndarray:
    flags = [raw["hlthp"] == 1, raw["hlthf"] == 1, raw["hlthg"] == 1]
    return np.select(flags, ["poor", "fair", "good"], default="excellent")


def _coinsurance(lncoins: pd.Series) -> np.ndarray:
    """Name the share of the price that a person pays, in percent: the data holds ln(share + 1)."""
    percent = np.rint(np.expm1(lncoins)).astype(int)
    return np.array([f"pays {share} %" if share else "free" for share in percent])
