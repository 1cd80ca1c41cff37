-- Which account at which address listed what is stored of a panel, as `exchange.account` tells accounts; null: nobody
-- kept it. What another one listed is no price of this one's.
alter table provider
    add column catalogue_account text;
