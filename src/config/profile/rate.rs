//! How fast calls may go, as a profile or a directory's table says it: a rate, or a list of buckets.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::forms::Rate;

/// `10/s`, or a list of buckets that all apply to a call they match.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSetting(pub Vec<BucketConfig>);

impl RateSetting {
    /// A share of each bucket, in percent.
    #[must_use]
    pub fn share(&self, percent: u8) -> Self {
        Self(self.0.iter().map(|bucket| BucketConfig { rate: bucket.rate.share(percent), ..bucket.clone() }).collect())
    }
}

impl RateSetting {
    /// The time from one read to the next at this rate, when they are spread evenly.
    pub fn between_reads(&self) -> Duration {
        let of_reads = |bucket: &&BucketConfig| {
            bucket.matches.is_empty() || bucket.matches.to_ascii_uppercase().starts_with("GET")
        };
        self.0.iter().filter(of_reads).map(|bucket| bucket.rate.interval()).max().unwrap_or_default()
    }
}

impl From<Rate> for RateSetting {
    fn from(rate: Rate) -> Self {
        Self(vec![BucketConfig { matches: String::new(), rate, burst: 1 }])
    }
}

/// One token bucket.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// Which calls it counts: empty for all, a method (`GET`, `write` for every method that changes something), or a method
    /// and a resource (`POST /Users`).
    #[serde(default, rename = "match")]
    pub matches: String,
    /// How many in which time: `10/s`, `600/m`, `1000/h`.
    pub rate: Rate,
    /// How many may go at once after a pause; 1 if left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10000))]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

impl<'de> Deserialize<'de> for RateSetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateOrBuckets;
        impl<'de> serde::de::Visitor<'de> for RateOrBuckets {
            type Value = RateSetting;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a rate such as \"10/s\", or a list of { match, rate, burst }")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RateSetting, E> {
                text.parse::<Rate>().map(RateSetting::from).map_err(E::custom)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<RateSetting, A::Error> {
                let mut buckets = Vec::new();
                while let Some(bucket) = seq.next_element()? {
                    buckets.push(bucket);
                }
                Ok(RateSetting(buckets))
            }
        }
        deserializer.deserialize_any(RateOrBuckets)
    }
}

impl JsonSchema for RateSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RateSetting".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (rate, bucket) = (generator.subschema_for::<Rate>(), generator.subschema_for::<BucketConfig>());
        schemars::json_schema!({
            "description": "A rate such as \"10/s\", or a list of buckets.",
            "anyOf": [rate, { "type": "array", "items": bucket, "minItems": 1 }],
        })
    }
}
