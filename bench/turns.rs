//! Who runs when: [`turn`].

/// The order of a round, of those that run one after the other. Every other round runs backwards,
/// and another one begins: so nobody always finds what the same neighbour left behind.
pub(crate) fn turn<T: Copy>(contenders: &[T], round: usize) -> Vec<T> {
    let mut order = contenders.to_vec();
    if round % 2 == 1 {
        order.reverse();
    }
    let first = round % order.len().max(1);
    order.rotate_left(first);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_runs_after_the_same_one_twice_in_succession_and_each_begins_a_round() {
        let all = [0, 1, 2, 3, 4];
        let mut firsts = Vec::new();
        for round in 0..all.len() {
            let pairs = |round| -> Vec<_> {
                let order = turn(&all, round);
                order.windows(2).map(|pair| (pair[0], pair[1])).collect()
            };
            let next = pairs(round + 1);
            assert!(pairs(round).iter().all(|pair| !next.contains(pair)));
            firsts.push(turn(&all, round)[0]);
        }
        firsts.sort_unstable();
        assert_eq!(firsts, all);
        assert!(turn(&[0; 0], 3).is_empty());
    }
}
