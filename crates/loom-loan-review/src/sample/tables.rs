//! The figures that the synthetic applications follow: counts, weights and quantiles over a national sample of
//! 12,000 public HMDA applications, 2022-2024. Ends of the quantile tables are cut to sensible values.

use super::draw::Draw;

pub(super) const SITE_BUILT: &str = "Single Family (1-4 Units):Site-Built";
pub(super) const MANUFACTURED: &str = "Single Family (1-4 Units):Manufactured";
pub(super) const MULTIFAMILY: &str = "Multifamily:Site-Built";

pub(super) const YEARS: &[(u16, u64)] = &[(2022, 4719), (2023, 3396), (2024, 3885)];

/// 1 conventional, 2 FHA, 3 VA, 4 USDA.
pub(super) const LOAN_TYPES: &[(usize, u64)] = &[(1, 9609), (2, 1538), (3, 759), (4, 94)];

/// Twenty-four lenders; the first has 8.7 % of all applications.
pub(super) const LENDERS: &[(u32, u64)] = &[
    (1, 87),
    (2, 76),
    (3, 68),
    (4, 62),
    (5, 57),
    (6, 53),
    (7, 50),
    (8, 47),
    (9, 45),
    (10, 43),
    (11, 41),
    (12, 39),
    (13, 37),
    (14, 36),
    (15, 34),
    (16, 33),
    (17, 32),
    (18, 30),
    (19, 29),
    (20, 27),
    (21, 24),
    (22, 20),
    (23, 17),
    (24, 13),
];

/// With the FIPS code that begins a county's.
pub(super) const STATES: &[((&str, u16), u64)] = &[
    (("TX", 48), 1085),
    (("FL", 12), 1057),
    (("CA", 6), 817),
    (("NC", 37), 495),
    (("GA", 13), 451),
    (("OH", 39), 430),
    (("PA", 42), 427),
    (("MI", 26), 405),
    (("IL", 17), 393),
    (("VA", 51), 390),
    (("AZ", 4), 381),
    (("TN", 47), 331),
    (("NY", 36), 322),
    (("SC", 45), 309),
    (("IN", 18), 306),
    (("MD", 24), 250),
    (("WA", 53), 244),
    (("CO", 8), 240),
    (("UT", 49), 237),
    (("MO", 29), 230),
    (("AL", 1), 227),
    (("WI", 55), 218),
    (("NJ", 34), 212),
    (("MN", 27), 189),
    (("MA", 25), 185),
    (("OR", 41), 184),
    (("LA", 22), 179),
    (("KY", 21), 175),
    (("OK", 40), 138),
    (("NV", 32), 138),
    (("ID", 16), 131),
    (("MS", 28), 113),
    (("AR", 5), 99),
    (("CT", 9), 98),
    (("IA", 19), 96),
    (("NM", 35), 90),
    (("KS", 20), 81),
    (("NH", 33), 78),
    (("NE", 31), 68),
    (("WV", 54), 62),
    (("ME", 23), 57),
    (("DE", 10), 48),
    (("RI", 44), 42),
    (("HI", 15), 39),
    (("MT", 30), 39),
    (("SD", 46), 30),
    (("ND", 38), 28),
    (("WY", 56), 27),
    (("AK", 2), 18),
    (("DC", 11), 15),
    (("VT", 50), 9),
    (("NA", 0), 50),
];

/// 1 purchase, 2 improvement, 31 refinance, 32 cash-out, 4 other.
pub(super) fn purposes(loan_type: usize) -> &'static [(u8, u64)] {
    match loan_type {
        1 => &[(1, 4996), (2, 1145), (31, 914), (32, 1313), (4, 1238)],
        2 => &[(1, 1078), (2, 7), (31, 60), (32, 301), (4, 15)],
        3 => &[(1, 489), (31, 45), (32, 159), (4, 5)],
        _ => &[(1, 91), (31, 3)],
    }
}

/// 1 principal residence, 2 second home, 3 investment.
pub(super) fn occupancies(loan_type: usize) -> &'static [(u8, u64)] {
    match loan_type {
        1 => &[(1, 8650), (2, 277), (3, 682)],
        _ => &[(1, 2385), (2, 3), (3, 3)],
    }
}

/// In dollars.
pub(super) const PROPERTY_VALUES: &[u64] = &[
    45_000, 115_000, 155_000, 185_000, 215_000, 235_000, 265_000, 285_000, 315_000, 345_000, 365_000, 395_000, 425_000,
    455_000, 505_000, 555_000, 615_000, 705_000, 845_000, 1_175_000, 3_500_000,
];

/// In thousands of dollars a year.
pub(super) const INCOMES: &[u64] =
    &[12, 32, 43, 51, 58, 64, 71, 77, 83, 91, 99, 107, 117, 129, 141, 156, 177, 206, 252, 351, 1500];

/// A second lien's share of the property value, in percent.
pub(super) const SECOND_LIEN_SHARES: &[u64] = &[2, 7, 10, 13, 15, 18, 21, 26, 33, 46, 95];

/// Combined loan-to-value ratios in thousandths of a percent.
pub(super) fn cltvs(loan_type: usize, purpose: u8) -> &'static [u64] {
    match (loan_type, purpose) {
        (1, 1) => &[8000, 54_950, 70_000, 75_000, 80_000, 80_000, 85_467, 90_000, 95_000, 97_000, 105_000],
        (1, 2) => &[4000, 24_655, 41_490, 52_040, 60_000, 66_978, 72_127, 77_790, 81_308, 88_670, 110_000],
        (1, 31) => &[6000, 27_333, 40_000, 48_197, 55_333, 61_000, 67_176, 72_667, 77_941, 82_282, 102_000],
        (1, 32) => &[6000, 33_330, 46_008, 54_135, 59_701, 64_471, 68_922, 73_394, 76_576, 80_000, 95_000],
        (1, _) => &[4000, 28_191, 45_813, 56_470, 63_912, 70_040, 75_000, 79_750, 82_500, 88_636, 115_000],
        (2, _) => &[20_000, 70_467, 80_000, 90_000, 96_499, 96_500, 96_500, 96_500, 96_500, 99_445, 106_000],
        (3, _) => &[25_000, 73_000, 85_000, 90_000, 96_585, 100_000, 100_000, 100_000, 100_000, 100_000, 106_000],
        _ => &[56_595, 87_811, 97_098, 99_131, 100_000, 100_750, 101_010, 101_010, 101_010, 101_259, 105_000],
    }
}

/// Which of the three figures about risk are missing together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    Cltv,
    CltvAndValue,
    All,
    Dti,
    CltvAndDti,
    Value,
}

impl Missing {
    pub(super) fn cltv(self) -> bool {
        matches!(self, Self::Cltv | Self::CltvAndValue | Self::All | Self::CltvAndDti)
    }

    pub(super) fn property_value(self) -> bool {
        matches!(self, Self::CltvAndValue | Self::All | Self::Value)
    }

    pub(super) fn dti(self) -> bool {
        matches!(self, Self::All | Self::Dti | Self::CltvAndDti)
    }

    pub(super) fn income_missing_per_mille(self) -> u64 {
        match self {
            Self::All => 258,
            Self::Dti => 435,
            Self::CltvAndDti => 235,
            Self::Nothing => 6,
            Self::Cltv | Self::CltvAndValue | Self::Value => 0,
        }
    }
}

pub(super) fn missing(loan_type: usize) -> &'static [(Missing, u64)] {
    use Missing::{All, Cltv, CltvAndDti, CltvAndValue, Dti, Nothing, Value};
    match loan_type {
        1 => {
            &[(Nothing, 8300), (Cltv, 487), (CltvAndValue, 118), (All, 431), (Dti, 189), (CltvAndDti, 17), (Value, 67)]
        }
        2 => &[(Nothing, 1383), (Cltv, 10), (CltvAndValue, 8), (All, 54), (Dti, 37), (CltvAndDti, 44), (Value, 2)],
        3 => &[(Nothing, 649), (Cltv, 2), (CltvAndValue, 5), (All, 52), (Dti, 45), (CltvAndDti, 6)],
        _ => &[(Nothing, 91), (Cltv, 1), (CltvAndDti, 1), (Value, 1)],
    }
}

/// A manufactured home sold without land has no property value ratio: the two go together.
pub(super) fn manufactured_per_mille(purpose: u8, missing: Missing) -> u64 {
    match (missing, purpose) {
        (Missing::Cltv, 1) => 990,
        (Missing::Cltv, _) => 820,
        (Missing::All, _) => 85,
        (Missing::Value, _) => 300,
        (Missing::Dti, _) => 70,
        (Missing::Nothing, _) => 31,
        (Missing::CltvAndValue | Missing::CltvAndDti, _) => 40,
    }
}

/// A debt-to-income ratio as the public data shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DtiBucket {
    Below20,
    From20To30,
    From30To36,
    /// Published as a whole percent, 36 to 49.
    Exact,
    From50To60,
    Above60,
}

impl DtiBucket {
    pub(super) fn text(self, draw: &mut Draw) -> String {
        match self {
            Self::Exact => draw.between(36, 49).to_string(),
            Self::Below20 => dti_text(19),
            Self::From20To30 => dti_text(20),
            Self::From30To36 => dti_text(30),
            Self::From50To60 => dti_text(50),
            Self::Above60 => dti_text(61),
        }
    }
}

/// How the schema states a ratio of so many percent.
pub(super) fn dti_text(percent: u64) -> String {
    match percent {
        0..20 => "<20%".to_owned(),
        20..30 => "20%-<30%".to_owned(),
        30..36 => "30%-<36%".to_owned(),
        36..50 => percent.to_string(),
        50..=60 => "50%-60%".to_owned(),
        _ => ">60%".to_owned(),
    }
}

pub(super) fn dti_buckets(loan_type: usize) -> &'static [(DtiBucket, u64)] {
    use DtiBucket::{Above60, Below20, Exact, From20To30, From30To36, From50To60};
    match loan_type {
        1 => &[(Below20, 74), (From20To30, 167), (From30To36, 158), (Exact, 480), (From50To60, 55), (Above60, 66)],
        2 => &[(Below20, 16), (From20To30, 56), (From30To36, 93), (Exact, 512), (From50To60, 272), (Above60, 51)],
        _ => &[(Below20, 21), (From20To30, 105), (From30To36, 116), (Exact, 441), (From50To60, 250), (Above60, 67)],
    }
}

/// What an approval hung on, as far as the sample goes.
pub(super) struct Approval {
    pub(super) loan_type: usize,
    pub(super) dti_bucket: DtiBucket,
    pub(super) missing: Missing,
    pub(super) manufactured: bool,
}

impl Approval {
    pub(super) fn per_mille(&self) -> u64 {
        match (self.manufactured, self.missing) {
            (true, Missing::Nothing) => self.by_dti() * 72 / 100,
            (true, Missing::Cltv) => 247,
            (true, _) => 450,
            (false, Missing::Nothing) => self.by_dti(),
            (false, Missing::Cltv) => 851,
            (false, Missing::CltvAndValue) => 167,
            (false, Missing::All) => 727,
            (false, Missing::Dti | Missing::CltvAndDti) => 669,
            (false, Missing::Value) => 333,
        }
    }

    fn by_dti(&self) -> u64 {
        match (self.loan_type, self.dti_bucket) {
            (1, DtiBucket::Below20) => 815,
            (1, DtiBucket::From50To60) => 370,
            (1, DtiBucket::Above60) => 70,
            (1, _) => 918,
            (2, DtiBucket::Below20) => 640,
            (2, DtiBucket::From20To30 | DtiBucket::From30To36) => 815,
            (2, DtiBucket::Above60) => 28,
            (2, _) => 885,
            (_, DtiBucket::Above60) => 568,
            _ => 890,
        }
    }
}
