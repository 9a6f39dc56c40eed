//! The derives of commy.
