-- Takes up to `wanted` of what is left of a minute's limit. Returns what was granted, and what all
-- processes have taken now.
create or replace function take_allowance(
    of_minute bigint, of_subject text, wanted bigint, most bigint
)
returns table (granted bigint, taken_in_all bigint)
language plpgsql as $$
declare
    before bigint;
begin
    insert into allowance (minute, subject, taken)
    values (of_minute, of_subject, 0)
    on conflict do nothing;

    select a.taken into before
    from allowance a
    where a.minute = of_minute and a.subject = of_subject
    for update;

    granted := greatest(least(wanted, most - before), 0);
    taken_in_all := before + granted;

    update allowance a
    set taken = taken_in_all
    where a.minute = of_minute and a.subject = of_subject;

    return next;
end
$$;
