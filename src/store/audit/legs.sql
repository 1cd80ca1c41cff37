-- A leg is what its state says: in its own columns, in what was asked of its panel, and in what is
-- followed there.
with judged as (
    select l.id, l.order_id,
        case
            when l.state in ('accepted', 'ended') then l.panel_order is null
                or l.accepted_at is null
            else l.panel_order is not null or l.accepted_at is not null
        end
            or (l.ended_at is not null) <> (l.state in ('ended', 'refused', 'canceled',
                'written_off'))
            or l.state = 'sending' and (l.sending_at is null or l.epoch is null)
            or l.state in ('in_doubt', 'written_off') and l.doubted_at is null
            or l.state not in ('in_doubt', 'written_off', 'sending') and l.doubted_at is not null
            or l.state not in ('in_doubt', 'sending') and l.check_at is not null
            or l.state = 'parked' and coalesce(l.parked_for <> all ($4::text[]), true)
            or (l.repeats > 0) <> (l.repeated_at is not null)
            or (l.late_order is null) <> (l.late_at is null)
            or l.late_at is not null and l.state not in ('refused', 'accepted', 'ended')
                as leg_is_as_its_state_says,
        case
            when l.state = 'in_doubt' or l.state = 'sending' and l.doubted_at is not null
                then l.exposed <> l.cost or l.booked <> 0
            when l.state in ('accepted', 'written_off') then l.booked <> l.cost or l.exposed <> 0
            when l.state = 'ended' then l.exposed <> 0 or l.booked < 0
            else l.booked <> 0 or l.exposed <> 0
        end or l.cost < 0 as leg_books_what_its_state_says,
        -- What a backup put in doubt was perhaps never sent from here; and of what was sent there
        -- is a record.
        case
            when l.sending_at is null then l.state = 'sending' or e.leg_id is not null
            else (e.leg_id is null or e.sent_at <> l.sending_at) and not exists (
                select
                from attempt x
                where x.leg_id = l.id and (x.sent_at = l.sending_at or l.repeated_at = l.sending_at)
            )
        end as sending_is_on_record,
        case
            when l.state in ('accepted', 'ended', 'in_doubt', 'written_off')
                -- What was open in a backup may have been sent again since, by whoever went on
                -- without it.
                then e.verdict not in ('accepted', 'in_doubt') and not exists (
                    select from audit_log d where d.verb = $5 and d.at >= e.sent_at
                )
            when l.state = 'sending' then e.verdict not in ('sending', 'in_doubt')
            -- Whatever was said of it: a person, or the panel's ids, may have known better.
            when l.state = 'refused' then e.verdict = 'sending'
            else e.verdict not in ('refused', 'never_sent')
        end
            or e.verdict = 'sending' and l.state <> 'sending'
            or e.answered_at is null and e.verdict <> 'sending'
            or (e.provider <> l.provider or e.service <> l.service) and e.verdict not in ('refused',
                'never_sent')
            as verdict_fits_leg,
        l.panel_order is not null and (
            p.leg_id is null or p.provider <> l.provider or p.id <> l.panel_order
        ) as panel_order_is_kept,
        p.address <> coalesce(e.address, '') as panel_order_is_where_it_was_asked_for,
        l.state = 'accepted' and (w.leg_id is null or w.ended_at is not null)
            or w.leg_id is not null and l.state not in ('accepted', 'ended')
            or l.state = 'ended' and w.leg_id is not null and w.ended_at is null
                as accepted_leg_is_watched,
        w.panel_order <> l.panel_order or w.provider <> l.provider or w.accepted_at <> l.accepted_at
            as watch_is_its_legs,
        v.id is null or v.epoch < l.epoch and l.state in ('leased', 'sending') as panel_is_known
    from leg l
    left join attempt e on e.leg_id = l.id and e.n = l.attempt
    left join panel_order p on p.leg_id = l.id
    left join tracked_leg w on w.leg_id = l.id
    left join provider v on v.id = l.provider
    where l.order_id between $1 and $2 or l.order_id = any($3)
)
select v.name as "name!", count(*) as "violations!",
    (array_agg('order ' || j.order_id order by j.order_id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('leg_is_as_its_state_says', j.leg_is_as_its_state_says),
        ('leg_books_what_its_state_says', j.leg_books_what_its_state_says),
        ('sending_is_on_record', j.sending_is_on_record),
        ('verdict_fits_leg', j.verdict_fits_leg),
        ('panel_order_is_kept', j.panel_order_is_kept),
        ('panel_order_is_where_it_was_asked_for', j.panel_order_is_where_it_was_asked_for),
        ('accepted_leg_is_watched', j.accepted_leg_is_watched),
        ('watch_is_its_legs', j.watch_is_its_legs),
        ('panel_is_known', j.panel_is_known)
) v (name, broken)
where (
        j.leg_is_as_its_state_says or j.leg_books_what_its_state_says or j.sending_is_on_record
            or j.verdict_fits_leg
        or j.panel_order_is_kept or j.panel_order_is_where_it_was_asked_for
            or j.accepted_leg_is_watched
        or j.watch_is_its_legs or j.panel_is_known
    )
    and v.broken
group by v.name
