-- Money that customers held at an earlier panel. It came in there: here it is neither a deposit nor an adjustment.

alter table account
    drop constraint account_kind,
    add constraint account_kind check (
        kind in ('wallet', 'revenue', 'deposits', 'adjustments', 'opening', 'write_off', 'cost', 'float', 'doubt')
    );

insert into account (kind) values ('opening');

alter table transfer
    drop constraint transfer_reason,
    add constraint transfer_reason check (
        reason in (
            'charge', 'refund', 'deposit', 'cost', 'cost_correction', 'doubt', 'doubt_over', 'clawback', 'absorbed',
            'absorbed_less', 'adjustment', 'opening'
        )
    );
