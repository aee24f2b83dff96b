/** What an address displayed when, and how far to believe it; every prefix of a country, and over whom it was reached. */
import { useState } from 'preact/hooks';
import { get, queryOf } from '../api/client';
import type { Origin as Told, Reach, Showings } from '../api/answers';
import { CaseButton } from '../parts/CaseButton';
import { Command, Field, Head, Link, Table, Trouble, TrustMark, Waiting } from '../parts/common';
import { OriginInput } from '../parts/OriginInput';
import { useAsked } from '../lib/asking';
import { command } from '../lib/command';
import { go, usePlace } from '../lib/route';
import { useWords } from '../lib/settings';

export function Origin() {
  const { t } = useWords();
  const { path, query } = usePlace();
  const address = path[1] ?? '';
  const of = query.get('of') ?? '';
  const at = query.get('at') ?? '';
  const [typed, setTyped] = useState(address || of);
  const [when, setWhen] = useState(at);
  return (
    <>
      <Head title={address ? t('origin_title', { address }) : of ? t('origins_title', { of }) : t('view_origin')} />
      <form
        class="question"
        onSubmit={(event) => {
          event.preventDefault();
          const text = typed.trim();
          const isAddress = /^[0-9.]+$|:/.test(text) && !text.startsWith('class:');
          go(
            isAddress
              ? `/origin/${encodeURIComponent(text)}${queryOf({ at: when })}`
              : `/origin${queryOf({ of: text, at: when })}`,
          );
        }}
      >
        <OriginInput label={t('origin_or_address')} value={typed} onChange={setTyped} />
        <Field label={t('at_time')}>
          {(id) => (
            <input
              id={id}
              value={when}
              size={16}
              placeholder={t('now')}
              onInput={(event) => setWhen(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" class="main">
          {t('show')}
        </button>
      </form>
      {address ? (
        <>
          <Displayed address={address} at={at} whole />
          <p>
            <Link to={`/host/${encodeURIComponent(address)}${queryOf({ at })}`}>{t('as_host')}</Link>
          </p>
        </>
      ) : of ? (
        <Of key={of + at} of={of} at={at} />
      ) : (
        <p class="faint">{t('origin_what')}</p>
      )}
    </>
  );
}

export function Displayed({ address, at, whole = false }: { address: string; at: string; whole?: boolean }) {
  const { t, say, moment, country } = useWords();
  const origin = useAsked<Told>(`${address} ${at}`, (signal) =>
    get('/api/v1/origin/{address}', at ? { at } : {}, { signal, names: { address } }),
  );
  const told = origin.value;
  return (
    <>
      <Waiting asked={origin} />
      <Trouble problem={origin.problem} />
      {told ? (
        <>
          <p class="lead">
            {t('displayed_line', { address: told.address, at: moment(told.at), country: country(told.displayed) })}{' '}
            <TrustMark trust={told.trust} />
          </p>
          <ul>
            {told.reasons.map((one) => (
              <li key={one}>{say(one)}</li>
            ))}
          </ul>
          <dl class="figures">
            {told.prefix ? (
              <div>
                <dt>{t('prefix')}</dt>
                <dd>{told.prefix}</dd>
              </div>
            ) : null}
            <div>
              <dt>AS</dt>
              <dd>
                {told.as ? (
                  <Link to={`/origin${queryOf({ of: `AS${told.as}`, at })}`}>{`AS${told.as} ${told.as_name}`}</Link>
                ) : (
                  '–'
                )}
              </dd>
            </div>
            {told.classes.length ? (
              <div>
                <dt>{t('classes')}</dt>
                <dd>{told.classes.join(', ')}</dd>
              </div>
            ) : null}
          </dl>
          {told.disagreements.length ? (
            <>
              <h3>{t('disagreements')}</h3>
              <ul>
                {told.disagreements.map((one) => (
                  <li key={one}>{one}</li>
                ))}
              </ul>
            </>
          ) : null}
          {whole ? (
            <>
              <h2>{t('over_time')}</h2>
              <Table
                caption={t('over_time')}
                rows={told.sources}
                columns={[
                  { head: t('source_of'), cell: (row) => row.source },
                  { head: t('edition_name'), cell: (row) => row.edition },
                  { head: t('from_time'), cell: (row) => (row.valid[0] ? moment(row.valid[0]) : '–') },
                  { head: t('to_time'), cell: (row) => (row.valid[1] ? moment(row.valid[1]) : '–') },
                  {
                    head: t('says'),
                    cell: (row) =>
                      Object.entries(row.says)
                        .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : String(value)}`)
                        .join('; '),
                  },
                ]}
              />
              {told.as ? <Upstreams of={`AS${told.as}`} at={at} /> : null}
              <div class="actions">
                <CaseButton verb="origin" question={{ address, ...(at ? { at } : {}) }} />
              </div>
              <Command text={command('origin', { at }, [address])} />
            </>
          ) : null}
        </>
      ) : null}
    </>
  );
}

function Of({ of, at }: { of: string; at: string }) {
  const { t, say, country, count } = useWords();
  const asked = at ? { of, at } : { of };
  const showings = useAsked<Showings>(`of ${of} ${at}`, (signal) => get('/api/v1/origins', asked, { signal }));
  const told = showings.value;
  return (
    <>
      <Waiting asked={showings} />
      <Trouble problem={showings.problem} />
      {told ? (
        <section>
          <h2>{t('prefixes_title', { count: count(told.prefixes.length), of: country(told.of) })}</h2>
          <Table
            caption={t('prefixes_title', { count: count(told.prefixes.length), of: country(told.of) })}
            rows={told.prefixes.slice(0, 200)}
            columns={[
              { head: t('prefix'), cell: (row) => row.prefix },
              { head: 'AS', right: true, cell: (row) => (row.as ? `AS${row.as}` : '–') },
              { head: t('displays'), cell: (row) => country(row.displayed) },
              { head: t('trust'), cell: (row) => <TrustMark trust={row.trust} /> },
              {
                head: t('reasons'),
                cell: (row) => (
                  <ul class="small">
                    {row.reasons.map((reason) => (
                      <li key={reason}>{say(reason)}</li>
                    ))}
                  </ul>
                ),
              },
            ]}
          />
          <div class="actions">
            <Link to={`/ask${queryOf({ from: of, wide: 'true', since: '-7d' })}`}>{t('ask_widely')}</Link>
            <CaseButton verb="origins" question={asked} />
          </div>
          <Command text={command('origin', { of, at })} />
        </section>
      ) : null}
      {/^(AS\d+|[A-Za-z]{2})$/.test(of) ? <Upstreams of={of} at={at} /> : null}
    </>
  );
}

/** Over which upstreams a country or AS was reached, over time. */
function Upstreams({ of, at }: { of: string; at: string }) {
  const { t } = useWords();
  const reach = useAsked<Reach>(`reach ${of} ${at}`, (signal) =>
    get('/api/v1/reach', at ? { of, at } : { of }, { signal }),
  );
  return (
    <section>
      <h2>{t('reach_title')}</h2>
      <Waiting asked={reach} />
      <Trouble problem={reach.problem} />
      {reach.value ? <Graph reach={reach.value} /> : null}
    </section>
  );
}

const ROW = 44;
const MOST = 24;

/** ASes to the left, upstreams to the right; the links that stood then are whole, others dashed. A table says the same. */
function Graph({ reach }: { reach: Reach }) {
  const { t, day, country } = useWords();
  const ases = reach.ases.filter((one) => one.upstreams.length).slice(0, MOST);
  const shown = ases.length ? ases : reach.ases.slice(0, MOST);
  const links = shown.flatMap((one) => one.upstreams.map((link) => ({ from: one.as, ...link })));
  const upstreams = [...new Map(links.map((link) => [link.as, link])).values()].slice(0, MOST);
  const height = Math.max(shown.length, upstreams.length, 1) * ROW + 16;
  const left = new Map(shown.map((one, place) => [one.as, place * ROW + 24]));
  const right = new Map(upstreams.map((one, place) => [one.as, place * ROW + 24]));
  return (
    <>
      <svg class="graph" viewBox={`0 0 900 ${height}`} role="img" aria-label={t('reach_title')}>
        {links.map((link) => {
          const [a, b] = [left.get(link.from), right.get(link.as)];
          if (a === undefined || b === undefined) return null;
          return (
            <path
              key={`${link.from} ${link.as} ${link.valid[0] ?? ''}`}
              d={`M330 ${a} C450 ${a} 450 ${b} 570 ${b}`}
              class={link.at_that_time ? 'then' : 'else'}
            />
          );
        })}
        {shown.map((one) => (
          <g key={one.as}>
            <circle cx="330" cy={left.get(one.as)} r="5" />
            <text
              x="318"
              y={(left.get(one.as) ?? 0) + 5}
              text-anchor="end"
            >{`AS${one.as} ${one.as_name.slice(0, 30)}`}</text>
          </g>
        ))}
        {upstreams.map((one) => (
          <g key={one.as}>
            <circle cx="570" cy={right.get(one.as)} r="5" />
            <text x="582" y={(right.get(one.as) ?? 0) + 5}>{`AS${one.as} ${one.as_name.slice(0, 28)}`}</text>
          </g>
        ))}
      </svg>
      <Table
        caption={t('reach_title')}
        rows={links}
        empty={t('reach_none')}
        columns={[
          { head: 'AS', cell: (link) => `AS${link.from}` },
          { head: t('upstream'), cell: (link) => `AS${link.as} ${link.as_name}` },
          { head: t('country'), cell: (link) => (link.country ? country(link.country) : '–') },
          { head: t('from_time'), cell: (link) => (link.valid[0] ? day(link.valid[0]) : '–') },
          { head: t('to_time'), cell: (link) => (link.valid[1] ? day(link.valid[1]) : t('still')) },
          { head: t('source_of'), cell: (link) => link.source },
        ]}
      />
    </>
  );
}
