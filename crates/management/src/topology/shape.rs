//! The shapes of 4.3.

/// A shape of a network of devices.
/// Source: aSSURE 4.3 with ruling A-ASSURE-100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The first device has a channel to every other.
    Star,
    /// Each device has a channel to the next, the last to the first; at least three.
    Ring,
    /// Each device but the first has a channel to the one above it; two below each.
    Tree,
    /// Every device has a channel to every other.
    Full,
}

/// Too few devices for the shape: two, a ring three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadShape;

impl Shape {
    /// The channels among `count` devices, each as (opener, listener), by their places in the list.
    ///
    /// # Errors
    /// [`BadShape`].
    pub fn links(self, count: usize) -> Result<Vec<(usize, usize)>, BadShape> {
        let count_min = if self == Self::Ring { 3 } else { 2 };
        if count < count_min {
            return Err(BadShape);
        }
        Ok(match self {
            Self::Star => (1..count).map(|leaf| (leaf, 0)).collect(),
            Self::Ring => (0..count).map(|place| (place, (place + 1) % count)).collect(),
            Self::Tree => (1..count).map(|place| (place, (place - 1) / 2)).collect(),
            Self::Full => (0..count).flat_map(|a| (a + 1..count).map(move |b| (b, a))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(shape: Shape, count: usize) -> Vec<usize> {
        let links = shape.links(count).unwrap();
        let of = |place| links.iter().filter(|(a, b)| *a == place || *b == place).count();
        (0..count).map(of).collect()
    }

    fn is_connected(shape: Shape, count: usize) -> bool {
        let links = shape.links(count).unwrap();
        let mut reached = vec![0];
        while let Some(next) =
            links.iter().find_map(|(a, b)| match (reached.contains(a), reached.contains(b)) {
                (true, false) => Some(*b),
                (false, true) => Some(*a),
                (true, true) | (false, false) => None,
            })
        {
            reached.push(next);
        }
        reached.len() == count
    }

    #[test]
    fn every_shape_has_the_channels_of_its_name() {
        assert_eq!(degrees(Shape::Star, 5), [4, 1, 1, 1, 1]);
        assert_eq!(degrees(Shape::Ring, 5), [2; 5]);
        assert_eq!(degrees(Shape::Tree, 7), [2, 3, 3, 1, 1, 1, 1]);
        assert_eq!(degrees(Shape::Full, 4), [3; 4]);
        assert_eq!(Shape::Full.links(4).unwrap().len(), 6);
        for count in 3..17 {
            for shape in [Shape::Star, Shape::Ring, Shape::Tree, Shape::Full] {
                assert!(is_connected(shape, count), "{shape:?} {count}");
                let links = shape.links(count).unwrap();
                let pairs = links.iter().map(|(a, b)| (a.min(b), a.max(b)));
                let pairs: std::collections::BTreeSet<_> = pairs.collect();
                assert_eq!(pairs.len(), links.len(), "no pair twice: {shape:?} {count}");
                assert!(links.iter().all(|(a, b)| a != b));
            }
            assert_eq!(Shape::Tree.links(count).unwrap().len(), count - 1, "connected and no cycle");
        }
    }

    #[test]
    fn too_few_devices_make_no_shape() {
        for shape in [Shape::Star, Shape::Tree, Shape::Full] {
            assert_eq!(shape.links(1), Err(BadShape));
            assert_eq!(shape.links(2).unwrap().len(), 1);
        }
        assert_eq!(Shape::Ring.links(2), Err(BadShape));
    }
}
