/** Competing hypotheses (Heuer): how each piece of evidence bears on each, edited in place. */
import { useState } from 'preact/hooks';
import { get, send } from '../api/client';
import type { Cell, Weighed } from '../api/answers';
import { Command, Dialogue, Field, Trouble, Waiting } from '../parts/common';
import { useAsked, useDoing } from '../lib/asking';
import { useHere } from '../lib/here';
import { useWords } from '../lib/settings';
import type { Key } from '../i18n';

const VALUES = ['CC', 'C', 'N', 'I', 'II'] as const;
const WEIGHTS = ['low', 'medium', 'high'] as const;
export function Matrix({ name, round, changed }: { name: string; round: number; changed: () => void }) {
  const { t, say, count } = useWords();
  const { me } = useHere();
  const weighed = useAsked<Weighed>(`${name} ${round}`, (signal) =>
    get('/api/v1/cases/{name}/weigh', undefined, { signal, names: { name } }),
  );
  const [editing, setEditing] = useState<{ evidence: string; hypothesis: string; cell: Cell } | null>(null);
  const told = weighed.value;
  const ranked = told?.hypotheses.toSorted((a, b) => a.rank - b.rank) ?? [];
  const first = ranked[0];
  return (
    <>
      <Waiting asked={weighed} />
      <Trouble problem={weighed.problem} />
      {told ? (
        <>
          {first && told.matrix.length ? (
            <p class="lead">{t('leading_line', { text: say(first.text), score: count(first.inconsistency) })}</p>
          ) : null}
          <div class="table" tabIndex={0} role="region" aria-label={t('tab_matrix')}>
            <table class="matrix">
              <caption class="hidden">{t('tab_matrix')}</caption>
              <thead>
                <tr>
                  <th scope="col">{t('entry_evidence')}</th>
                  {told.hypotheses.map((one) => (
                    <th key={one.id} scope="col" class={told.leading.includes(one.id) ? 'leading' : ''}>
                      <span class="faint">{one.id}</span> {say(one.text)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {told.matrix.map((row) => (
                  <tr key={row.evidence}>
                    <th scope="row">
                      {row.evidence} <div class="faint small">{row.what}</div>
                    </th>
                    {told.hypotheses.map((one) => {
                      const cell = row.cells[one.id];
                      if (!cell) return <td key={one.id} />;
                      const shown = cell.decided.length
                        ? cell.decided.map((view) => view.value).join(' / ')
                        : `(${cell.suggested.value})`;
                      return (
                        <td key={one.id} class={`value-${(cell.decided[0] ?? cell.suggested).value}`}>
                          <button
                            type="button"
                            class="quiet"
                            disabled={me.role === 'reader'}
                            aria-label={t('cell_label', {
                              evidence: row.evidence,
                              hypothesis: one.id,
                              value: t(`value_${(cell.decided[0] ?? cell.suggested).value}` as Key),
                            })}
                            onClick={() => setEditing({ evidence: row.evidence, hypothesis: one.id, cell })}
                          >
                            {shown}
                            {cell.disagreement ? ` ${t('disagree')}` : ''}
                          </button>
                        </td>
                      );
                    })}
                  </tr>
                ))}
                <tr>
                  <th scope="row">{t('inconsistency')}</th>
                  {told.hypotheses.map((one) => (
                    <td key={one.id}>
                      <strong>{count(one.inconsistency)}</strong>
                    </td>
                  ))}
                </tr>
              </tbody>
            </table>
          </div>
          <p class="faint">{t('matrix_legend')}</p>
          <div class="columns">
            <section>
              <h2>{t('sensitivity')}</h2>
              {told.sensitivity.length ? (
                <ul>
                  {told.sensitivity.slice(0, 8).map((one) => (
                    <li key={one.without.join()}>
                      {t('sensitivity_line', { without: one.without.join(', '), leading: one.leading.join(', ') })}
                    </li>
                  ))}
                </ul>
              ) : (
                <p>{t('sensitivity_none')}</p>
              )}
            </section>
            {told.next.length ? (
              <section>
                <h2>{t('ask_next')}</h2>
                {told.next.map((one) => (
                  <div key={one.command}>
                    <p>{say(one.why)}</p>
                    <Command text={one.command} />
                  </div>
                ))}
              </section>
            ) : null}
          </div>
        </>
      ) : null}
      {editing ? (
        <Rating
          name={name}
          {...editing}
          onClose={(done) => {
            setEditing(null);
            if (done) changed();
          }}
        />
      ) : null}
    </>
  );
}

function Rating({
  name,
  evidence,
  hypothesis,
  cell,
  onClose,
}: {
  name: string;
  evidence: string;
  hypothesis: string;
  cell: Cell;
  onClose: (done: boolean) => void;
}) {
  const { t, say } = useWords();
  const { me } = useHere();
  const own = cell.decided.find((one) => one.who === me.name);
  const begin = own ?? cell.suggested;
  const [value, setValue] = useState(begin.value);
  const [weight, setWeight] = useState(begin.weight);
  const [reason, setReason] = useState(own?.reason ?? '');
  const doing = useDoing();
  return (
    <Dialogue title={t('rating_title', { evidence, hypothesis })} onClose={() => onClose(false)}>
      <p class="faint">
        {t('suggested_line', { value: t(`value_${cell.suggested.value}` as Key), reason: say(cell.suggested.reason) })}
      </p>
      {cell.decided.map((one) => (
        <p key={one.who}>
          {t('decided_line', { who: one.who, value: t(`value_${one.value}` as Key), reason: one.reason })}
        </p>
      ))}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          doing.run(async () => {
            await send(
              'POST',
              '/api/v1/cases/{name}/ratings',
              { evidence, hypothesis, value, weight, reason },
              { names: { name } },
            );
            onClose(true);
          });
        }}
      >
        <Field label={t('your_view')}>
          {(id) => (
            <select id={id} value={value} onChange={(event) => setValue(event.currentTarget.value)}>
              {VALUES.map((one) => (
                <option key={one} value={one}>
                  {t(`value_${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t('weight')}>
          {(id) => (
            <select id={id} value={weight} onChange={(event) => setWeight(event.currentTarget.value)}>
              {WEIGHTS.map((one) => (
                <option key={one} value={one}>
                  {t(`weight_${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t('reason')}>
          {(id) => (
            <textarea id={id} required value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          )}
        </Field>
        <button type="submit" class="main" disabled={doing.busy}>
          {t('decide')}
        </button>
      </form>
      <Trouble problem={doing.problem} />
    </Dialogue>
  );
}
