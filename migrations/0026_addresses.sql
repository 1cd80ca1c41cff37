-- Under one name an operator may have had one panel and then another, whose ids of orders begin at 1 too: an id belongs to
-- one leg at one address. The address is a host, with its port where it names one; '' where nobody kept it, as with
-- everything that was sent before.
alter table exchange
    add column address text not null default '';

alter table panel_order
    add column address text not null default '',
    drop constraint panel_order_pk,
    add constraint panel_order_pk primary key (provider, id, address);
