/** The statement in both languages side by side, each citation a link to its evidence; edited texts are held against it. */
import { useState } from 'preact/hooks';
import { getBlob, send } from '../api/client';
import type { Case } from '../api/answers';
import { Field, Trouble, Waiting } from '../parts/common';
import { useAsked, useDoing } from '../lib/asking';
import { save } from '../lib/csv';
import { useHere } from '../lib/here';
import { change } from '../lib/route';
import { useWords } from '../lib/settings';
import type { Language } from '../i18n';

const LANGUAGES: Language[] = ['en', 'zh-TW'];

export function Statements({ told }: { told: Case }) {
  const { t } = useWords();
  const { me } = useHere();
  const [length, setLength] = useState<'short' | 'long'>('short');
  if (me.role === 'reader') return <p class="faint">{t('analysts_only')}</p>;
  return (
    <>
      <Field label={t('length')}>
        {(id) => (
          <select id={id} value={length} onChange={(event) => setLength(event.currentTarget.value as typeof length)}>
            <option value="short">{t('length_short')}</option>
            <option value="long">{t('length_long')}</option>
          </select>
        )}
      </Field>
      <div class="columns">
        {LANGUAGES.map((language) => (
          <Written key={language} told={told} language={language} length={length} />
        ))}
      </div>
    </>
  );
}

interface Wrong {
  line: number;
  column: number;
  what: string;
}

function Written({ told, language, length }: { told: Case; language: Language; length: 'short' | 'long' }) {
  const { t, say } = useWords();
  const name = told.name;
  const names = { name };
  const written = useAsked<string>(`${name} ${told.revision} ${language} ${length}`, async (signal) =>
    (await getBlob('/api/v1/cases/{name}/statement', { language, length, format: 'md' }, { signal, names })).text(),
  );
  const [edited, setEdited] = useState<string | null>(null);
  const [wrong, setWrong] = useState<Wrong[] | null>(null);
  const doing = useDoing();
  const text = edited ?? written.value ?? '';
  const file = (format: 'html' | 'pdf') =>
    doing.run(async () =>
      save(
        `${name}.${language}.${format}`,
        await getBlob('/api/v1/cases/{name}/statement', { language, length, format }, { names }),
      ),
    );
  return (
    <section lang={language} class="statement">
      <h2>{t(language === 'en' ? 'in_english' : 'in_chinese')}</h2>
      <Waiting asked={written} />
      <Trouble problem={written.problem} />
      {edited === null ? (
        <Lines text={text} />
      ) : (
        <Field label={t('edit')}>
          {(id) => (
            <textarea id={id} rows={24} value={edited} onInput={(event) => setEdited(event.currentTarget.value)} />
          )}
        </Field>
      )}
      <div class="actions">
        <button type="button" onClick={() => setEdited(edited === null ? text : null)}>
          {t(edited === null ? 'edit' : 'edit_drop')}
        </button>
        <button
          type="button"
          disabled={doing.busy}
          onClick={() =>
            doing.run(async () => {
              const found = await send<{ problems: Wrong[] }>(
                'POST',
                '/api/v1/cases/{name}/statement/check',
                { text },
                { names },
              );
              setWrong(found.problems);
            })
          }
        >
          {t('check')}
        </button>
        <button type="button" onClick={() => file('pdf')}>
          PDF
        </button>
        <button type="button" onClick={() => file('html')}>
          HTML
        </button>
      </div>
      {wrong ? (
        wrong.length ? (
          <ul class="wrong" role="alert">
            {wrong.map((one, place) => (
              <li key={place}>{t('problem_line', { line: one.line, column: one.column, what: say(one.what) })}</li>
            ))}
          </ul>
        ) : (
          <p role="status">{t('check_good')}</p>
        )
      ) : null}
      <Trouble problem={doing.problem} />
    </section>
  );
}

/** The lines of the Markdown that the service writes; nothing in it is taken for markup. */
function Lines({ text }: { text: string }) {
  return (
    <>
      {text
        .split('\n')
        .filter((line) => line.trim())
        .map((line, place) => {
          const heading = /^(#+) (.*)$/.exec(line);
          if (heading)
            return heading[1]?.length === 1 ? <h3 key={place}>{heading[2]}</h3> : <h4 key={place}>{heading[2]}</h4>;
          const item = /^- (.*)$/.exec(line);
          return (
            <p key={place} class={item ? 'item' : ''}>
              <Cited text={item?.[1] ?? line} />
            </p>
          );
        })}
    </>
  );
}

function Cited({ text }: { text: string }) {
  return (
    <>
      {text.split(/(\[[A-Z]\d+\])/).map((part, place) => {
        const id = /^\[([A-Z]\d+)\]$/.exec(part)?.[1];
        return id ? (
          <a
            key={place}
            href={`?tab=timeline#${id}`}
            onClick={(event) => {
              event.preventDefault();
              change({ tab: 'timeline' }, false);
              requestAnimationFrame(() =>
                requestAnimationFrame(() => document.getElementById(id)?.scrollIntoView({ block: 'center' })),
              );
            }}
          >
            {part}
          </a>
        ) : (
          part
        );
      })}
    </>
  );
}
