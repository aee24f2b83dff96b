/** Puts what is shown into a case with one click: the question is asked again there, and its answer sealed. */
import { useEffect, useState } from 'preact/hooks';
import { get, send } from '../api/client';
import { useDoing } from '../lib/asking';
import { useWords } from '../lib/settings';
import { useHere } from '../lib/here';
import { Dialogue, Field, Link, Trouble } from './common';

interface CaseRow {
  name: string;
  title: string;
}

export function useCases(): { cases: CaseRow[]; reload: () => void } {
  const [cases, setCases] = useState<CaseRow[]>([]);
  const [round, setRound] = useState(0);
  useEffect(() => {
    get<{ cases: CaseRow[] }>('/api/v1/cases')
      .then((told) => setCases(told.cases))
      .catch(() => setCases([]));
  }, [round]);
  return { cases, reload: () => setRound((before) => before + 1) };
}

/** A question that is asked again and sealed, or words for a note. */
export type ForCase = { verb: string; question: Record<string, unknown> } | { note: string };

export function CaseButton(what: ForCase) {
  const { t } = useWords();
  const { me } = useHere();
  const [open, setOpen] = useState(false);
  if (me.role === 'reader') return null;
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {t('into_case')}
      </button>
      {open ? <Choose what={what} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function Choose({ what, onClose }: { what: ForCase; onClose: () => void }) {
  const { t } = useWords();
  const { cases } = useCases();
  const [made, setMade] = useState<{ name: string; id: string } | null>(null);
  const [name, setName] = useState('');
  const doing = useDoing();
  const seal = (target: string, fresh: boolean) =>
    doing.run(async () => {
      if (fresh) await send('POST', '/api/v1/cases', { name: target });
      const names = { name: target };
      const told =
        'note' in what
          ? await send<{ id: string }>('POST', '/api/v1/cases/{name}/notes', { text: what.note }, { names })
          : await send<{ id: string }>('POST', '/api/v1/cases/{name}/evidence', what, { names });
      setMade({ name: target, id: told.id });
    });
  return (
    <Dialogue title={t('into_case')} onClose={onClose}>
      {made ? (
        <p role="status">
          {'note' in what ? t('noted_in', { name: made.name }) : t('sealed_as', { id: made.id, name: made.name })}{' '}
          <Link to={`/cases/${encodeURIComponent(made.name)}`}>{t('open_case')}</Link>
        </p>
      ) : (
        <>
          <p>{t('note' in what ? 'into_case_note' : 'into_case_what')}</p>
          <ul class="choices">
            {cases.map((one) => (
              <li key={one.name}>
                <button type="button" disabled={doing.busy} onClick={() => seal(one.name, false)}>
                  {one.title || one.name}
                </button>
              </li>
            ))}
          </ul>
          <form
            class="inline"
            onSubmit={(event) => {
              event.preventDefault();
              if (name) seal(name, true);
            }}
          >
            <Field label={t('new_case')} hint={t('case_name_hint')}>
              {(id) => (
                <input
                  id={id}
                  value={name}
                  pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
                  required
                  onInput={(e) => setName(e.currentTarget.value)}
                />
              )}
            </Field>
            <button type="submit" disabled={doing.busy}>
              {t('open_and_seal')}
            </button>
          </form>
          {doing.busy ? <p role="status">{t('sealing')}</p> : null}
        </>
      )}
      <Trouble problem={doing.problem} />
    </Dialogue>
  );
}
