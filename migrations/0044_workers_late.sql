-- Workers of a node that do not do their rounds: whichever node looks tells a person.
alter table config_node
    add column workers_late text[] not null default '{}';
