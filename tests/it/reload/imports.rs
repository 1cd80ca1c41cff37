//! A catalog that an edit begins to sell: judged before it has ids.

use panelgate::domain::id::ServiceId;
use panelgate::reload::FileLook;

use super::{Node, hash, two_panels};

#[tokio::test]
async fn a_new_import_is_judged_by_what_it_will_sell_before_it_has_ids() {
    let world = two_panels().await;
    let node = Node::start(&world, "one", &world.file.text).await.unwrap();
    node.house.refresh().await.unwrap();
    let import = "[[import]]\nprovider = \"a\"\nids_from = 100\n";
    let at_cost = format!("{}{import}", world.file.text);
    let FileLook::Waits(said) = node.edit(&world, &at_cost).await else {
        panic!("it sells nine services at cost")
    };

    assert_eq!(said.len(), 9, "{said:?}");
    assert!(
        said.iter()
            .all(|said| said.contains("leaves 0 %, below floor_percent 3")),
        "{said:?}"
    );

    assert_eq!(node.hash(), world.file.mapping.hash.0);
    let marked_up = format!("{at_cost}[[markup]]\npercent = \"50\"\n");
    assert_eq!(node.edit(&world, &marked_up).await, FileLook::Published);
    assert_eq!(node.hash(), hash(&marked_up));

    // Under the very ids of which the danger spoke.
    let sold: Vec<ServiceId> = node
        .house
        .catalog
        .now()
        .sold
        .keys()
        .copied()
        .filter(|id| id.0 >= 100)
        .collect();

    let named = |id: &ServiceId| {
        said.iter()
            .any(|said| said.starts_with(&format!("service {id} ")))
    };

    assert!(
        sold.len() == 9 && sold.iter().all(named),
        "{sold:?} {said:?}"
    );
}
