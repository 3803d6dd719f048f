//! Who answers for users and groups: their homes, which all other tests ask, or the stores.

mod the_stores_can_answer;
