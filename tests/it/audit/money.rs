//! Corruptions of money: wallets, transfers, orders and what was given back.

use super::{Corruption, by};

pub const CORRUPTIONS: &[Corruption] = &[
    // Wallets
    by(
        "a wallet holds more",
        "update wallet set balance = balance + 1",
        &["wallet_is_sum_of_transfers"],
    ),
    by(
        "a wallet below its floor",
        "alter table wallet drop constraint wallet_above_floor; update wallet set balance = floor \
         - 0.00000001",
        &["wallet_above_floor"],
    ),
    by(
        "a wallet counted on",
        "update wallet set version = version + 1",
        &["wallet_version_chain"],
    ),
    by(
        "a customer may owe more",
        "update wallet set floor = -500 where account_id = wallet_of('buyer')",
        &["wallet_floor_is_credit"],
    ),
    by(
        "a credit that no floor knows",
        "update customer set credit = 77",
        &["wallet_floor_is_credit"],
    ),
    by(
        "a wallet removed",
        "delete from wallet where account_id = wallet_of('moved in')",
        &["customer_has_wallet"],
    ),
    by(
        "a customer removed",
        "delete from customer where name = 'moved in'",
        &["customer_has_wallet"],
    ),
    by(
        "a wallet's account given away",
        "update account set customer_id = 99 where id = wallet_of('moved in')",
        &["customer_has_wallet"],
    ),
    by(
        "a wallet's account of another kind",
        "alter table account drop constraint account_owner;
        update account set kind = 'revenue' where id = wallet_of('moved in')",
        &["customer_has_wallet", "accounts_fit_reason"],
    ),
    by(
        "a wallet's account without a wallet",
        "insert into account (kind, customer_id) values ('wallet', 99)",
        &["customer_has_wallet"],
    ),
    // Transfers
    by(
        "a deposit made larger",
        "update transfer set amount = amount + 1 where reason = 'deposit'",
        &["wallet_is_sum_of_transfers", "wallet_version_chain"],
    ),
    by(
        "a deposit removed",
        "delete from transfer where reason = 'deposit'",
        &["wallet_version_chain"],
    ),
    by(
        "a deposit made up, wallet and all",
        "insert into transfer (at, reason, debit, credit, amount, wallet_version, wallet_balance)
        select now(), 'deposit', account_of('deposits'), account_id, 5, version + 1, balance + 5
        from wallet where account_id = wallet_of('buyer');
        update wallet set balance = balance + 5, version = version + 1 where account_id = \
         wallet_of('buyer')",
        &["reference_fits_reason"],
    ),
    by(
        "what a wallet held afterwards",
        "update transfer set wallet_balance = wallet_balance + 1 where reason = 'refund'",
        &["wallet_version_chain"],
    ),
    by(
        "two steps of a wallet exchanged",
        "update transfer t set wallet_version = case t.wallet_version when 2 then 3 else 2 end
        where wallet_of('buyer') in (t.debit, t.credit) and t.wallet_version in (2, 3)",
        &["wallet_version_chain"],
    ),
    by(
        "a transfer that forgot its wallet",
        "update transfer set wallet_version = null, wallet_balance = null where reason = \
         'clawback'",
        &["wallet_state_is_kept"],
    ),
    by(
        "a house transfer that names a wallet's state",
        "update transfer set wallet_version = 1, wallet_balance = 1 where reason = 'cost'",
        &["wallet_state_is_kept"],
    ),
    by(
        "a deposit out of revenue",
        "update transfer set debit = account_of('revenue') where reason = 'deposit'",
        &["accounts_fit_reason"],
    ),
    by(
        "a refund out of deposits",
        "update transfer set debit = account_of('deposits') where reason = 'refund' and order_id \
         = the('partial')",
        &["accounts_fit_reason"],
    ),
    by(
        "a charge into the write-off",
        "update transfer set credit = account_of('write_off') where reason = 'charge' and \
         order_id = the('partial')",
        &["accounts_fit_reason"],
    ),
    by(
        "a charge into an account that is not there",
        "update transfer set credit = 999 where reason = 'charge' and order_id = the('partial')",
        &["accounts_fit_reason"],
    ),
    by(
        "a deposit called an adjustment",
        "update transfer set reason = 'adjustment' where reason = 'deposit'",
        &["accounts_fit_reason"],
    ),
    by(
        "an opening balance called a deposit",
        "update transfer set reason = 'deposit' where reason = 'opening'",
        &["accounts_fit_reason"],
    ),
    by(
        "a deposit for an order",
        "update transfer set order_id = the('partial') where reason = 'deposit'",
        &["order_fits_reason"],
    ),
    by(
        "a charge for nothing",
        "update transfer set order_id = null where reason = 'charge' and order_id = the('partial')",
        &["order_fits_reason", "one_charge_per_order"],
    ),
    by(
        "a deposit without a reference",
        "update transfer set reference = null where reason = 'deposit'",
        &["reference_fits_reason"],
    ),
    by(
        "an opening balance under another name",
        "update transfer set reference = 'once more' where reason = 'opening'",
        &["reference_fits_reason"],
    ),
    by(
        "a charge with a reference",
        "update transfer set reference = 'x' where reason = 'charge' and order_id = the('partial')",
        &["reference_fits_reason"],
    ),
    by(
        "a transfer of an order that is not there",
        "update transfer set order_id = 1999999999 where reason = 'absorbed'",
        &["rows_have_their_owner", "absorbed_is_ledger"],
    ),
    by(
        "an order paid by somebody else",
        "update transfer set debit = wallet_of('moved in') where reason = 'charge' and order_id = \
         the('partial')",
        &["wallet_is_the_customers"],
    ),
    by(
        "a refund into another's wallet",
        "update transfer set credit = wallet_of('moved in') where reason = 'refund' and order_id \
         = the('partial')",
        &["wallet_is_the_customers"],
    ),
    by(
        "a proof that cost nothing",
        "delete from transfer where reason = 'proof'",
        &["proof_is_booked"],
    ),
    by(
        "a proof that bought more",
        "update request_id_proof set bought = 2",
        &["proof_is_booked"],
    ),
    by(
        "the house's revenue removed",
        "delete from account where kind = 'revenue'",
        &["house_has_its_accounts", "accounts_fit_reason"],
    ),
    by(
        "a panel's account removed",
        "delete from account where kind = 'float' and provider = 'c'",
        &["house_has_its_accounts"],
    ),
    // What was bought
    by(
        "an order of another customer",
        "update orders set customer_id = (select id from customer where name = 'moved in') where \
         id = the('partial')",
        &["wallet_is_the_customers", "key_is_the_customers"],
    ),
    by(
        "an order of nobody's key",
        "update orders set key_id = 99 where id = the('partial')",
        &["key_is_the_customers"],
    ),
    by(
        "a charge twice",
        "insert into transfer (at, reason, debit, credit, amount, order_id)
        select at, reason, debit, credit, amount, order_id from transfer
        where reason = 'charge' and order_id = the('partial')",
        &["one_charge_per_order"],
    ),
    by(
        "a charge removed",
        "delete from transfer where reason = 'charge' and order_id = the('running')",
        &["one_charge_per_order"],
    ),
    by(
        "an order made cheaper",
        "update orders set charge = charge - 0.00000001 where id = the('running')",
        &["one_charge_per_order", "charge_is_price"],
    ),
    by(
        "an order made older",
        "update orders set placed_at = placed_at - interval '1 hour' where id = the('partial')",
        &["charged_when_placed"],
    ),
    by(
        "a charge moved in time",
        "update transfer set at = at - interval '1 hour' where reason = 'charge' and order_id = \
         the('partial')",
        &["charged_when_placed"],
    ),
    by(
        "another rate",
        "update orders set rate = rate * 2 where id = the('running')",
        &["charge_is_price"],
    ),
    by(
        "another rate of the panel",
        "update orders set cost_rate = cost_rate * 2 where id = the('running')",
        &["charge_is_price", "rate_is_the_rules"],
    ),
    by(
        "more units",
        "update orders set units = units + 1 where id = the('running')",
        &["charge_is_price"],
    ),
    by(
        "another cost",
        "update orders set cost = cost + 0.01 where id = the('running')",
        &["charge_is_price"],
    ),
    by(
        "a package at half the rate, charge and all",
        "update orders set rate = rate / 2 where id = the('package')",
        &["charge_is_price"],
    ),
    by(
        "a package's cost",
        "update orders set cost = cost * 2 where id = the('package')",
        &["charge_is_price"],
    ),
    by(
        "a rule that would have made another price",
        "update orders set rule = replace(rule, '18 %', '28 %') where id = the('running')",
        &["rate_is_the_rules"],
    ),
    by(
        "a rule with another step",
        "update orders set rule = regexp_replace(rule, 'multiple of .*', 'multiple of 0.07') \
         where id = the('running')",
        &["rate_is_the_rules"],
    ),
    by(
        "a rule in no words",
        "update orders set rule = 'as agreed' where id = the('running')",
        &["rate_is_the_rules"],
    ),
    by(
        "no markup, and yet one",
        "update orders set rule = 'no markup' where id = the('running')",
        &["rate_is_the_rules"],
    ),
    by(
        "a configuration that never was",
        "update orders set config_hash = '0123456789ab' where id = the('running')",
        &["config_is_known"],
    ),
    by(
        "no configuration ever",
        "delete from config_version",
        &["config_is_known"],
    ),
    by(
        "the text in force forgotten",
        "update config_version set body = null",
        &["version_is_its_text"],
    ),
    by(
        "a configuration edited",
        "update config_version set body = body || '# x'",
        &["version_is_its_text"],
    ),
    by(
        "a service that nobody sells",
        "update orders set service_id = 777 where id = the('running')",
        &["service_is_known"],
    ),
    by(
        "a type that nobody sells",
        "update orders set kind = 'Views' where id = the('running')",
        &["kind_counts_units"],
    ),
    by(
        "no package any more",
        "update orders set package = false where id = the('package')",
        &["kind_counts_units"],
    ),
    by(
        "two packages",
        "update orders set units = 2 where id = the('package')",
        &["kind_counts_units"],
    ),
    // What was given back
    by(
        "more was given back",
        "update orders set refunded = refunded + 0.00000001 where id = the('partial')",
        &["refunded_is_ledger", "settlements_are_refunded"],
    ),
    by(
        "a refund made larger",
        "update transfer set amount = amount + 0.00000001 where reason = 'refund' and order_id = \
         the('partial')",
        &["refunded_is_ledger", "settlement_is_its_transfer"],
    ),
    by(
        "a refund made larger, order, settlement, wallet and all",
        "update wallet set balance = balance + 0.001 where account_id = wallet_of('buyer');
        update transfer t set wallet_balance = t.wallet_balance + 0.001
        where wallet_of('buyer') in (t.debit, t.credit) and t.wallet_version >= (
            select wallet_version from transfer where reason = 'refund' and order_id = \
         the('partial')
        );
        update transfer set amount = amount + 0.001 where reason = 'refund' and order_id = \
         the('partial');
        update settlement set amount = amount + 0.001 where order_id = the('partial');
        update orders set refunded = refunded + 0.001 where id = the('partial')",
        &["refunded_is_target"],
    ),
    by(
        "the same with the target",
        "update wallet set balance = balance + 0.001 where account_id = wallet_of('buyer');
        update transfer t set wallet_balance = t.wallet_balance + 0.001
        where wallet_of('buyer') in (t.debit, t.credit) and t.wallet_version >= (
            select wallet_version from transfer where reason = 'refund' and order_id = \
         the('partial')
        );
        update transfer set amount = amount + 0.001 where reason = 'refund' and order_id = \
         the('partial');
        update settlement set amount = amount + 0.001, target = target + 0.001 where order_id = \
         the('partial');
        update orders set refunded = refunded + 0.001 where id = the('partial')",
        &["target_is_what_is_missing"],
    ),
    by(
        "a loss forgotten",
        "update orders set absorbed = 0 where id = the('absorbed')",
        &["absorbed_is_ledger", "refunded_is_target"],
    ),
    by(
        "a loss made smaller in the ledger",
        "update transfer set amount = amount / 2 where reason = 'absorbed'",
        &["absorbed_is_ledger"],
    ),
    by(
        "a clawback removed",
        "delete from transfer where reason = 'clawback'",
        &["refunded_is_ledger", "settlement_is_its_transfer"],
    ),
    by(
        "a gift made larger",
        "update orders set by_hand = refunded + 0.00000001 where id = the('gift')",
        &["given_by_hand_is_kept"],
    ),
    by(
        "a gift made smaller",
        "update orders set by_hand = 0.01 where id = the('gift')",
        &["given_by_hand_is_ledger"],
    ),
    by(
        "a gift made up",
        "update orders set by_hand = refunded where id = the('partial')",
        &["given_by_hand_is_ledger"],
    ),
    by(
        "an order refused, and not refunded whole",
        "update orders set refunded = refunded - 0.00000001 where id = the('refused')",
        &["ended_unplaced_is_refunded_whole"],
    ),
    by(
        "a settlement removed",
        "delete from settlement where order_id = the('partial')",
        &["settlements_are_refunded"],
    ),
    by(
        "a settlement numbered otherwise",
        "update settlement set seq = 7 where order_id = the('partial')",
        &["settlements_are_refunded"],
    ),
    by(
        "a settlement too many counted",
        "update orders set settlements = settlements + 1 where id = the('partial')",
        &["settlements_are_refunded"],
    ),
    by(
        "a settlement of an order that is not there",
        "insert into settlement (order_id, seq, at, state, delivered, target, amount)
        values (1999999999, 1, now(), 'completed', 1, 0, 0)",
        &["rows_have_their_owner"],
    ),
    by(
        "a settlement by another order's transfer",
        "update settlement set transfer_id = (
            select transfer_id from settlement where order_id = the('canceled')
        ) where order_id = the('partial')",
        &["settlement_is_its_transfer"],
    ),
    by(
        "a settlement by a charge",
        "update settlement set transfer_id = (
            select id from transfer where order_id = the('partial') and reason = 'charge'
        ) where order_id = the('partial')",
        &["settlement_is_its_transfer"],
    ),
    by(
        "a settlement at another time",
        "update settlement set at = at + interval '1 minute' where order_id = the('partial')",
        &["settlement_is_its_transfer", "ended_when_settled"],
    ),
    by(
        "a target above what was given",
        "update settlement set target = target + 0.001 where order_id = the('canceled')",
        &["settlement_reaches_its_target", "target_is_what_is_missing"],
    ),
    by(
        "more was delivered",
        "update settlement set delivered = delivered + 1 where order_id = the('partial')",
        &["target_is_what_is_missing", "remains_are_what_is_missing"],
    ),
    by(
        "less remains",
        "update orders set remains = remains - 1 where id = the('partial')",
        &["remains_are_what_is_missing"],
    ),
    by(
        "an order ended at another time",
        "update orders set ended_at = ended_at - interval '1 minute' where id = the('completed')",
        &["ended_when_settled"],
    ),
    by(
        "completed, and said to be canceled",
        "update orders set state = 'canceled' where id = the('completed')",
        &["state_is_last_settlements"],
    ),
    by(
        "a settlement that ended otherwise",
        "update settlement set state = 'completed' where order_id = the('canceled')",
        &["state_is_last_settlements", "target_is_what_is_missing"],
    ),
    by(
        "an order opened again by hand",
        "update orders set state = 'processing', ended_at = null where id = the('completed')",
        &[
            "open_order_has_open_leg",
            "state_is_last_settlements",
            "ended_when_settled",
        ],
    ),
];
