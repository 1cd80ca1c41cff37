-- What the margin guard did: legs that would have been sent at too small a margin, and what that would have cost more.
alter table provider
    add column margin_held bigint not null default 0,
    add column margin_saved numeric(28, 8) not null default 0;
