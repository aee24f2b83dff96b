/** The question, its answer as a sentence, and the picture of what it rests on. */
import { useEffect, useState } from 'preact/hooks';
import { get, queryOf } from '../api/client';
import type { Answer } from '../api/answers';
import { Command, Empty, Field, Head, Link, Trouble, Waiting } from '../parts/common';
import { OriginInput } from '../parts/OriginInput';
import { useAsked } from '../lib/asking';
import { stamp } from '../lib/format';
import { useHere } from '../lib/here';
import { formOf, NAMES, questionOf, type Form, type Name } from '../lib/question';
import { go, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';
import { Given } from './Answer';

export function Ask() {
  const words = useWords();
  const { t } = words;
  const { site } = useHere();
  const { query } = usePlace();
  const asked = formOf(query);
  const [form, setForm] = useState(asked);
  const key = NAMES.some((name) => asked[name]) ? JSON.stringify(asked) : null;
  useEffect(() => setForm(formOf(query)), [query]);
  const answer = useAsked<Answer>(key, (signal) =>
    get('/api/v1/ask', { ...questionOf(asked), chart: true }, { signal }),
  );
  const set = (name: Name) => (value: string) => setForm((before) => ({ ...before, [name]: value }));
  const submit = (values: Form) => go('/ask' + queryOf(questionOf(values)));
  if (!site.data) {
    return (
      <>
        <Head title={t('view_ask')} />
        <Empty title={t('no_data')}>
          <p>{t('no_data_what')}</p>
          <Command text="tidegauge ingest PATH" />
        </Empty>
      </>
    );
  }
  return (
    <>
      <Head title={t('ask_title')} />
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          submit(form.from || form.watch || form.where || form.since ? form : { ...form, since: '-7d' });
        }}
      >
        <OriginInput
          label={t('origin')}
          value={form.watch ? '' : form.from}
          onChange={(value) => setForm((before) => ({ ...before, from: value, watch: '' }))}
          onPick={(found) => setForm((before) => ({ ...before, from: '', watch: found.value }))}
          {...(form.watch ? { hint: t('asking_watch', { name: form.watch }) } : {})}
        />
        <Field label={t('direction')}>
          {(id) => (
            <select
              id={id}
              value={form.direction || 'in'}
              onChange={(event) => set('direction')(event.currentTarget.value)}
            >
              <option value="in">{t('direction_in')}</option>
              <option value="out">{t('direction_out')}</option>
            </select>
          )}
        </Field>
        <Field label={t('since')}>
          {(id) => (
            <input
              id={id}
              value={form.since}
              placeholder="-7d"
              size={16}
              onInput={(event) => set('since')(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label={t('until')}>
          {(id) => (
            <input
              id={id}
              value={form.until}
              placeholder={t('now')}
              size={16}
              onInput={(event) => set('until')(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" class="main">
          {t('ask')}
        </button>
        <details class="more">
          <summary>{t('more_options')}</summary>
          <div class="row">
            <Field label={t('metric')}>
              {(id) => (
                <select
                  id={id}
                  value={form.metric || 'bytes'}
                  onChange={(event) => set('metric')(event.currentTarget.value)}
                >
                  {(['bytes', 'packets', 'flows', 'hosts'] as const).map((one) => (
                    <option key={one} value={one}>
                      {t(`metric_${one}`)}
                    </option>
                  ))}
                </select>
              )}
            </Field>
            <Field label={t('expression')} hint={t('expression_hint')}>
              {(id) => (
                <input
                  id={id}
                  class="wide"
                  value={form.where}
                  spellcheck={false}
                  onInput={(event) => set('where')(event.currentTarget.value)}
                />
              )}
            </Field>
            <Field label={t('baseline')}>
              {(id) => (
                <input
                  id={id}
                  value={form.baseline}
                  placeholder="28d"
                  size={6}
                  onInput={(event) => set('baseline')(event.currentTarget.value)}
                />
              )}
            </Field>
            <Field label={t('false_alarm')}>
              {(id) => (
                <input
                  id={id}
                  value={form.false_alarm}
                  placeholder="0.01"
                  size={6}
                  onInput={(event) => set('false_alarm')(event.currentTarget.value)}
                />
              )}
            </Field>
            <Field label={t('power')}>
              {(id) => (
                <input
                  id={id}
                  value={form.power}
                  placeholder="0.95"
                  size={6}
                  onInput={(event) => set('power')(event.currentTarget.value)}
                />
              )}
            </Field>
          </div>
        </details>
      </form>
      <Waiting asked={answer} />
      <Trouble problem={answer.problem} />
      {answer.value ? (
        <Given answer={answer.value} form={asked} stale={answer.loading} words={words} />
      ) : key === null ? (
        <Beginning />
      ) : null}
    </>
  );
}

/** On an empty question: what can be asked, ready to click. */
function Beginning() {
  const { t, country } = useWords();
  const { site } = useHere();
  const since = site.data?.until
    ? stamp(Math.floor(Date.parse(site.data.until) / 1000) - 7 * 86400).slice(0, 10)
    : '-7d';
  return (
    <section class="beginning">
      <p>{t('ask_what')}</p>
      <ul class="choices">
        {['KP', 'RU', 'CN'].map((code) => (
          <li key={code}>
            <Link to={`/ask?from=${code}&since=${since}`}>{t('ask_example', { country: country(code), since })}</Link>
          </li>
        ))}
        <li>
          <Link to={`/world?since=${since}`}>{t('ask_world')}</Link>
        </li>
      </ul>
    </section>
  );
}
