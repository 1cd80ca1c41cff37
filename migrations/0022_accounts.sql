-- Which account, at which address, was asked to take an order: a doubt is looked into nowhere else. Another account knows
-- nothing of it, and would take it as new. Null where nobody kept it. It tells accounts apart and nothing of their keys.
alter table exchange
    add column account text;
