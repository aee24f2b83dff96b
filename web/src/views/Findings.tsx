/** Ranked stories with what is behind them; closed with a reason and an end, all by keyboard. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, send, work, type Query } from '../api/client';
import type { Finding, KeptFinding, Severity } from '../api/answers';
import { CaseButton } from '../parts/CaseButton';
import { Address, Command, Dialogue, Empty, Field, Head, Link, SeverityMark, Trouble, Waiting } from '../parts/common';
import { useAsked, useDoing } from '../lib/asking';
import { useHere } from '../lib/here';
import { change, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';
import { stamp } from '../lib/format';
import { flowsOf } from '../lib/stories';
import type { Key } from '../i18n';

const ORDER: Severity[] = ['critical', 'high', 'medium', 'low', 'info'];
export const KINDS = ['egress', 'passthrough', 'beacon', 'scan', 'lure', 'leak'] as const;

/** The hunts that give each kind. */
const HUNTS: Record<string, string> = {
  egress: 'egress',
  passthrough: 'passthrough',
  beacon: 'beacons',
  scan: 'scans',
};

export function kindKey(kind: string): Key | null {
  return (KINDS as readonly string[]).includes(kind) ? (`kind_${kind}` as Key) : null;
}

export function Findings() {
  const { t, count } = useWords();
  const { me, site } = useHere();
  const { query } = usePlace();
  const asked = {
    kind: query.get('kind') ?? '',
    severity: query
      .getAll('severity')
      .flatMap((one) => one.split(','))
      .filter(Boolean),
    subject: query.get('subject') ?? '',
    closed: query.get('closed') === 'true',
  };
  const [round, setRound] = useState(0);
  const found = useAsked<{ findings: KeptFinding[]; next: string | null }>(JSON.stringify([asked, round]), (signal) =>
    get('/api/v1/findings', { ...asked, limit: 1000 } as Query<'/api/v1/findings'>, { signal }),
  );
  const rows = (found.value?.findings ?? []).toSorted(
    (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || b.score - a.score,
  );
  const shown = query.get('show');
  const at = Math.max(
    rows.findIndex((one) => one.id === shown),
    0,
  );
  const one = rows[at];
  const list = useRef<HTMLUListElement>(null);
  const [closing, setClosing] = useState<KeptFinding | null>(null);
  const reopening = useDoing();
  const move = (step: number) => {
    const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
    if (!next) return;
    change({ show: next.id });
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>('[aria-current=true]')?.focus());
  };
  const keys = (event: KeyboardEvent) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || closing) return;
    if (event.key === 'j' || event.key === 'ArrowDown') move(1);
    else if (event.key === 'k' || event.key === 'ArrowUp') move(-1);
    else if (event.key === 'c' && one && me.role !== 'reader' && !one.closed) setClosing(one);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <Head title={t('view_findings')}>
        <HuntNow onDone={() => setRound((before) => before + 1)} />
      </Head>
      <form class="inline" onSubmit={(event) => event.preventDefault()}>
        <Field label={t('kind')}>
          {(id) => (
            <select
              id={id}
              value={asked.kind}
              onChange={(event) => change({ kind: event.currentTarget.value, show: null })}
            >
              <option value="">{t('all')}</option>
              {KINDS.map((kind) => (
                <option key={kind} value={kind}>
                  {t(`kind_${kind}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <fieldset class="checks-row">
          <legend>{t('severity')}</legend>
          {ORDER.map((severity) => (
            <label key={severity}>
              <input
                type="checkbox"
                checked={asked.severity.includes(severity)}
                onChange={(event) =>
                  change({
                    severity: (event.currentTarget.checked
                      ? [...asked.severity, severity]
                      : asked.severity.filter((s) => s !== severity)
                    ).join(','),
                    show: null,
                  })
                }
              />
              {t(`severity_${severity}`)}
            </label>
          ))}
        </fieldset>
        <Field label={t('host')}>
          {(id) => (
            <input
              id={id}
              size={16}
              value={asked.subject}
              onChange={(event) => change({ subject: event.currentTarget.value, show: null })}
            />
          )}
        </Field>
        <label class="switch">
          <input
            type="checkbox"
            checked={asked.closed}
            onChange={(event) => change({ closed: event.currentTarget.checked ? 'true' : null })}
          />
          {t('with_closed')}
        </label>
      </form>
      <Waiting asked={found} />
      <Trouble problem={found.problem} />
      {found.value && !rows.length ? (
        <Empty title={t('no_findings')}>
          <p>{t('no_findings_what')}</p>
          <Command text="tidegauge hunt" />
        </Empty>
      ) : null}
      {rows.length ? (
        <div class="split" onKeyDown={keys}>
          <div>
            <p class="faint">
              {t('findings_count', { count: count(rows.length) })} {t('findings_keys')}
            </p>
            <ul class="list" ref={list}>
              {rows.map((row) => (
                <li key={row.id}>
                  <button
                    type="button"
                    aria-current={row.id === one?.id}
                    class={row.closed ? 'closed' : ''}
                    onClick={() => change({ show: row.id })}
                  >
                    <SeverityMark severity={row.severity} /> <span>{row.title}</span>
                    {row.closed ? <span class="faint"> ({t('closed')})</span> : null}
                  </button>
                </li>
              ))}
            </ul>
          </div>
          {one ? (
            <Story
              one={one}
              actions={
                me.role === 'reader' ? null : one.closed ? (
                  <button
                    type="button"
                    disabled={reopening.busy}
                    onClick={() =>
                      reopening.run(async () => {
                        await send('POST', '/api/v1/findings/{name}/reopen', {}, { names: { name: one.id } });
                        setRound((before) => before + 1);
                      })
                    }
                  >
                    {t('reopen')}
                  </button>
                ) : (
                  <button type="button" onClick={() => setClosing(one)}>
                    {t('close_finding')}
                  </button>
                )
              }
            />
          ) : null}
        </div>
      ) : null}
      {closing ? (
        <Closing
          one={closing}
          until={site.data ? stamp(Math.floor(Date.now() / 1000) + 90 * 86400).slice(0, 10) : ''}
          onClose={(done) => {
            setClosing(null);
            if (done) setRound((before) => before + 1);
          }}
        />
      ) : null}
    </>
  );
}

/** A finding's reasons, when, who, its figures, and the way to the flows. */
export function Story({ one, actions }: { one: Finding; actions?: preact.ComponentChildren }) {
  const { t, say, moment } = useWords();
  const key = kindKey(one.kind);
  const flows = flowsOf(one.query);
  return (
    <article class="story">
      <header>
        <h2>{say(one.title)}</h2>
        <p>
          <SeverityMark severity={one.severity} /> {key ? t(key) : one.kind} · {moment(one.start)} – {moment(one.end)}
        </p>
      </header>
      <Timeline start={one.start} end={one.end} />
      <p>
        {t('subject')}: {/^[\d.]+$|:/.test(one.subject) ? <Address address={one.subject} /> : one.subject}
        {one.peers.length ? (
          <>
            {' '}
            · {t('peers')}:{' '}
            {one.peers.slice(0, 12).map((peer) => (
              <span key={peer}>{/^[\d.]+$|:/.test(peer) ? <Address address={peer} at={one.end} /> : peer} </span>
            ))}
          </>
        ) : null}
      </p>
      <h3>{t('reasons')}</h3>
      <ul>
        {one.reasons.map((reason) => (
          <li key={reason}>{say(reason)}</li>
        ))}
      </ul>
      <div class="actions">
        {flows ? <Link to={flows}>{t('flows_behind')}</Link> : null}
        {HUNTS[one.kind] ? (
          <CaseButton verb="hunt" question={{ since: one.start, until: one.end, kind: [HUNTS[one.kind]] }} />
        ) : null}
        {actions}
      </div>
      <details>
        <summary>{t('figures')}</summary>
        <dl class="figures">
          {Object.entries(one.evidence)
            .filter(([, value]) => typeof value !== 'object')
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{String(value)}</dd>
              </div>
            ))}
        </dl>
      </details>
      <Command text={one.query} />
    </article>
  );
}

/** Where in the site's data a finding lies. */
function Timeline({ start, end }: { start: string; end: string }) {
  const { t, day } = useWords();
  const { site } = useHere();
  if (!site.data) return null;
  const [from, to] = [Date.parse(site.data.since), Date.parse(site.data.until)];
  const place = (at: string) => Math.min(Math.max((Date.parse(at) - from) / Math.max(to - from, 1), 0), 1) * 100;
  const left = place(start);
  return (
    <div class="timeline" role="img" aria-label={t('timeline', { start: day(start), end: day(end) })}>
      <span class="faint">{day(site.data.since)}</span>
      <div class="track">
        <div class="span" style={{ left: `${left}%`, width: `${Math.max(place(end) - left, 0.8)}%` }} />
      </div>
      <span class="faint">{day(site.data.until)}</span>
    </div>
  );
}

function Closing({ one, until, onClose }: { one: KeptFinding; until: string; onClose: (done: boolean) => void }) {
  const { t } = useWords();
  const [reason, setReason] = useState('');
  const [end, setEnd] = useState(until);
  const doing = useDoing();
  return (
    <Dialogue title={t('close_finding')} onClose={() => onClose(false)}>
      <p>{one.title}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          doing.run(async () => {
            await send('POST', '/api/v1/findings/{name}/close', { reason, until: end }, { names: { name: one.id } });
            onClose(true);
          });
        }}
      >
        <Field label={t('reason')} hint={t('reason_hint')}>
          {(id) => (
            <textarea id={id} required value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          )}
        </Field>
        <Field label={t('until_when')}>
          {(id) => (
            <input id={id} type="date" required value={end} onInput={(event) => setEnd(event.currentTarget.value)} />
          )}
        </Field>
        <button type="submit" class="main" disabled={doing.busy}>
          {t('close_finding')}
        </button>
      </form>
      <Trouble problem={doing.problem} />
    </Dialogue>
  );
}

/** Hunts as a job: its steps are shown, and it can be called off. */
function HuntNow({ onDone }: { onDone: () => void }) {
  const { t } = useWords();
  const [round, setRound] = useState(0);
  const done = useRef(0);
  const hunt = useAsked<unknown>(round ? String(round) : null, (signal, tell) =>
    work('/api/v1/hunt', { since: '-7d' }, tell, signal),
  );
  useEffect(() => {
    if (round && !hunt.loading && hunt.value && done.current !== round) {
      done.current = round;
      onDone();
    }
  }, [round, hunt.loading, hunt.value, onDone]);
  return (
    <div class="inline">
      <button type="button" disabled={hunt.loading} onClick={() => setRound((before) => before + 1)}>
        {t('hunt_now')}
      </button>
      {round ? <Waiting asked={hunt} /> : null}
      <Trouble problem={hunt.problem} />
    </div>
  );
}
