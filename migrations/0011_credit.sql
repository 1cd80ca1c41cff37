-- References also on what leaves a wallet by hand.

-- A reference is used once per wallet. Commands look for it under the wallet's lock; this is what holds when they err.
-- What leaves wallets all goes to one account, so the wallet must be part of the key on either side.
drop index transfer_reference_once;
create unique index transfer_reference_once on transfer (credit, debit, reference) where reference is not null;
create index transfer_reference_out on transfer (debit, reference) where reference is not null;
