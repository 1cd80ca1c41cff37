-- What else a node says that it has trouble with, by the alerts' own words: whichever node looks tells a person.
alter table config_node
    add column troubles text[] not null default '{}';
