//! Long member lists of Active Directory, which come in pieces (MS-ADTS §3.1.1.3.1.3.3). In: attribute descriptions such as
//! `member;range=0-1499` with their values. Out: the next piece to ask for, and in the end the whole list. Pure.
//!
//! A piece is addressed by its position, so a member who is taken out between two questions moves all that follow, and one
//! would slip through unseen. Therefore every question overlaps the piece before by one value, and the two must agree.

/// A description with a range option: the attribute, and which positions the values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range<'a> {
    pub(super) attribute: &'a str,
    pub(super) low: usize,
    /// The last position; `None` (written `*`) means that the list ends here.
    pub(super) high: Option<usize>,
}

/// Reads `member;range=0-1499`. `None` for a description without a range option.
pub(super) fn parse(description: &str) -> Option<Range<'_>> {
    let (attribute, options) = description.split_once(';')?;
    let range = options.split(';').find_map(|option| {
        let (name, value) = option.split_once('=')?;
        name.eq_ignore_ascii_case("range").then_some(value)
    })?;
    let (low, high) = range.split_once('-')?;
    let high = if high == "*" { None } else { Some(position(high)?) };
    Some(Range { attribute, low: position(low)?, high })
}

/// Digits only: `usize::from_str` would also take a sign.
fn position(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a list has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeStep {
    /// Ask for [`Pieces::question`].
    More,
    /// The list is whole.
    Whole,
}

/// The list changed between two questions, or the answer does not fit the question: start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shifted;

/// A list under way.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    values: Vec<Vec<u8>>,
    bytes: u64,
}

impl Pieces {
    /// The description to ask for next.
    pub(super) fn question(&self, attribute: &str) -> String {
        format!("{attribute};range={}-*", self.values.len().saturating_sub(1))
    }

    /// Takes the answer to [`Pieces::question`].
    pub(super) fn take(&mut self, range: Range<'_>, values: Vec<Vec<u8>>) -> Result<RangeStep, Shifted> {
        let counted = range.high.is_none_or(|high| high.checked_sub(range.low).map(|n| n + 1) == Some(values.len()));
        if range.low != self.values.len().saturating_sub(1) || !counted {
            return Err(Shifted);
        }
        let before = self.values.len();
        let mut values = values.into_iter();
        if let Some(last) = self.values.last()
            && values.next().as_ref() != Some(last)
        {
            return Err(Shifted);
        }
        self.values.extend(values.inspect(|value| self.bytes = self.bytes.saturating_add(value.len() as u64)));
        match range.high {
            None => Ok(RangeStep::Whole),
            Some(_) if self.values.len() > before => Ok(RangeStep::More),
            Some(_) => Err(Shifted),
        }
    }

    /// How many bytes the values have so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The values, once the list is whole.
    pub(super) fn into_values(self) -> Vec<Vec<u8>> {
        self.values
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_whatever_the_case() {
        assert_eq!(parse("member;range=0-1499"), Some(Range { attribute: "member", low: 0, high: Some(1499) }));
        assert_eq!(parse("member;Range=1500-*"), Some(Range { attribute: "member", low: 1500, high: None }));
        assert_eq!(parse("member;binary;range=5-6"), Some(Range { attribute: "member", low: 5, high: Some(6) }));
        for none in
            ["member", "member;range=", "member;range=a-b", "member;range=-1-5", "member;range=+1-5", "member;binary"]
        {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    /// A server that gives at most `most` values at a time.
    fn answer(list: &[u32], question: &str, most: usize) -> (String, Vec<Vec<u8>>) {
        let low = parse(question).unwrap().low;
        let values: Vec<_> = list.iter().skip(low).take(most).map(|n| n.to_string().into_bytes()).collect();
        let high = if low + values.len() >= list.len() { "*".to_owned() } else { (low + values.len() - 1).to_string() };
        (format!("member;range={low}-{high}"), values)
    }

    proptest! {
        #[test]
        fn a_list_that_stands_still_is_read_whole(length in 0_u32..60, most in 2_usize..9) {
            let list: Vec<u32> = (0..length).collect();
            let mut pieces = Pieces::default();
            loop {
                let (description, values) = answer(&list, &pieces.question("member"), most);
                if pieces.take(parse(&description).unwrap(), values).unwrap() == RangeStep::Whole {
                    break;
                }
            }
            let expected: Vec<_> = list.iter().map(|n| n.to_string().into_bytes()).collect();
            prop_assert_eq!(pieces.into_values(), expected);
        }

        #[test]
        fn s5_nobody_slips_through_when_somebody_is_taken_out_meanwhile(gone in 0_usize..10, most in 2_usize..6) {
            let mut list: Vec<u32> = (0..20).collect();
            let mut pieces = Pieces::default();
            for _ in 0..3 {
                let (description, values) = answer(&list, &pieces.question("member"), most);
                pieces.take(parse(&description).unwrap(), values).unwrap();
            }
            list.remove(gone);
            let known = pieces.values.len();
            let (description, values) = answer(&list, &pieces.question("member"), most);
            let step = pieces.take(parse(&description).unwrap(), values);
            prop_assert_eq!(step.is_err(), gone < known);
        }
    }

    #[test]
    fn s16_an_answer_that_does_not_move_on_is_refused() {
        let mut pieces = Pieces::default();
        let piece = |low, high| Range { attribute: "member", low, high };
        assert_eq!(pieces.take(piece(0, Some(1)), vec![b"a".to_vec(), b"b".to_vec()]), Ok(RangeStep::More));
        assert_eq!(pieces.take(piece(1, Some(1)), vec![b"b".to_vec()]), Err(Shifted));
        assert_eq!(pieces.take(piece(0, None), vec![b"a".to_vec()]), Err(Shifted));
        assert_eq!(pieces.take(piece(1, Some(5)), vec![b"b".to_vec(), b"c".to_vec()]), Err(Shifted));
        assert_eq!(pieces.take(piece(1, None), vec![b"b".to_vec(), b"c".to_vec()]), Ok(RangeStep::Whole));
        assert_eq!(pieces.bytes(), 3, "each value once");
    }
}
