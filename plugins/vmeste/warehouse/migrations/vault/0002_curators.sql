-- Curators have codes too: refused rows are listed for them.
alter table vault.keys drop constraint keys_kind_check;
alter table vault.keys add constraint keys_kind_check
check (kind in ('mentee', 'mentor', 'pair', 'curator', 'submission'));
