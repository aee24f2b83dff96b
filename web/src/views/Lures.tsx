/** Is this a lure? Shown as text alone: nothing of it is ever loaded, no link of it can be followed. */
import { useState } from 'preact/hooks';
import { send } from '../api/client';
import type { LureFinding, LureLink, LurePlace, Lures as Told } from '../api/answers';
import { CaseButton } from '../parts/CaseButton';
import { Address, Command, Drop, Field, Head, Table, Trouble } from '../parts/common';
import { useDoing } from '../lib/asking';
import { pieces } from '../lib/marks';
import { useWords } from '../lib/settings';

export function Lures() {
  const { t, say } = useWords();
  const [text, setText] = useState('');
  const [sweep, setSweep] = useState(true);
  const [told, setTold] = useState<Told | null>(null);
  const [hash, setHash] = useState('');
  const doing = useDoing();
  const judge = (form: FormData) =>
    doing.run(async (signal) => {
      if (sweep) form.set('sweep', 'true');
      const given = form.get('file') ?? form.get('text') ?? form.get('url') ?? '';
      setHash(await hashOf(given));
      setTold(null);
      setTold(await send<Told>('POST', '/api/v1/lure', form, { signal }));
    });
  const file = (given: File) => {
    const form = new FormData();
    form.set('file', given);
    judge(form);
  };
  return (
    <>
      <Head title={t('view_lures')} />
      <p>{t('lures_what')}</p>
      <Drop label={t('mail_file')} accept=".eml,.msg,.txt,message/rfc822" onFile={file}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const form = new FormData();
            form.set(/^\S+:\/\/\S+$/.test(text.trim()) ? 'url' : 'text', text.trim());
            judge(form);
          }}
        >
          <Field label={t('paste_text')}>
            {(id) => <textarea id={id} rows={5} value={text} onInput={(event) => setText(event.currentTarget.value)} />}
          </Field>
          <div class="actions">
            <label class="switch">
              <input type="checkbox" checked={sweep} onChange={(event) => setSweep(event.currentTarget.checked)} />
              {t('sweep')}
            </label>
            <button type="submit" class="main" disabled={doing.busy || !text.trim()}>
              {t('judge')}
            </button>
          </div>
        </form>
      </Drop>
      {doing.busy ? (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" /> {t('judging')}
          <button type="button" onClick={doing.cancel}>
            {t('cancel')}
          </button>
        </p>
      ) : null}
      <Trouble problem={doing.problem} />
      {told?.findings.map((one, place) => (
        <Judged key={place} one={one} hash={hash} />
      ))}
      {told?.skipped.length ? (
        <ul class="faint">
          {told.skipped.map((one) => (
            <li key={one.what}>{t('skipped_line', { what: one.what, why: say(one.why) })}</li>
          ))}
        </ul>
      ) : null}
      {told?.sweep ? <Swept sweep={told.sweep} /> : null}
    </>
  );
}

function Judged({ one, hash }: { one: LureFinding; hash: string }) {
  const { t, say, percent } = useWords();
  const evidence = one.evidence as {
    text?: string;
    from?: string;
    mail_subject?: string;
    links?: LureLink[];
    places?: LurePlace[];
    attachments?: { name?: string; kind?: string }[];
  };
  const places = evidence.places ?? [];
  const shown = pieces(evidence.text ?? '', places);
  const verdict = one.verdict;
  return (
    <article class="judged">
      <header class={`said ${verdict}`}>
        <p class="sentence">{t(`lure_${verdict}`, { share: percent(one.score) })}</p>
        <p class="faint">
          {evidence.mail_subject ? `${t('mail_subject')}: ${evidence.mail_subject}` : ''}
          {evidence.from ? ` · ${t('mail_from')}: ${evidence.from}` : ''}
        </p>
      </header>
      <div class="columns">
        <section>
          <h2>{t('as_text')}</h2>
          <p class="mail">
            {shown.map((piece, place) =>
              piece.reasons.length ? (
                <mark key={place}>
                  {piece.text}
                  {piece.reasons.map((number) => (
                    <sup key={number}>
                      <a href={`#reason-${number}`}>{number + 1}</a>
                    </sup>
                  ))}
                </mark>
              ) : (
                piece.text
              ),
            )}
          </p>
        </section>
        <section>
          <h2>{t('reasons')}</h2>
          <ol>
            {places.map((place, number) => (
              <li key={number} id={`reason-${number}`}>
                {say(place.reason)} <span class="faint">({t(WHERE[place.where] ?? 'where_mail')})</span>
              </li>
            ))}
          </ol>
        </section>
      </div>
      <h2>{t('links')}</h2>
      <Table
        caption={t('links')}
        empty={t('no_links')}
        rows={evidence.links ?? []}
        columns={[
          { head: t('link_shown'), cell: (link) => <span class="text">{link.shown}</span> },
          { head: t('link_leads'), cell: (link) => <span class="text">{link.leads_to || link.target}</span> },
          { head: t('link_host'), cell: (link) => link.host },
          { head: t('link_through'), cell: (link) => link.through.join(' → ') },
          {
            head: t('link_odd'),
            cell: (link) =>
              [...link.odd, ...(link.looks_like ? [t('looks_like', { name: link.looks_like })] : [])].join(', '),
          },
        ]}
      />
      <div class="actions">
        <CaseButton
          note={t('lure_note', {
            verdict,
            share: percent(one.score),
            subject: evidence.mail_subject ?? one.subject,
            hash: hash || t('no_hash'),
            reasons: one.reasons.map(say).join('; '),
          })}
        />
      </div>
      <Command text={one.query} />
    </article>
  );
}

const WHERE: Record<string, 'where_link' | 'where_subject' | 'where_text' | 'where_from' | 'where_mail'> = {
  link: 'where_link',
  subject: 'where_subject',
  text: 'where_text',
  from: 'where_from',
};

function Swept({ sweep }: { sweep: NonNullable<Told['sweep']> }) {
  const { t, say, moment } = useWords();
  return (
    <section>
      <h2>{t('who_went')}</h2>
      {sweep.hosts.length ? (
        <p>
          {t('went_line')}{' '}
          {sweep.hosts.map((host) => (
            <span key={host}>
              <Address address={host} />{' '}
            </span>
          ))}
        </p>
      ) : (
        <p>{t('nobody_went')}</p>
      )}
      <ul>
        {sweep.findings.map((one) => (
          <li key={one.title}>
            <strong>{say(one.title)}</strong> <span class="faint">{moment(one.start)}</span>
            <ul>
              {one.reasons.map((reason) => (
                <li key={reason}>{say(reason)}</li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** SHA-256 of what was given, so that a case can say which it was; empty where the browser gives none (plain http). */
async function hashOf(given: File | string): Promise<string> {
  if (!('subtle' in crypto)) return '';
  const data = typeof given === 'string' ? new TextEncoder().encode(given) : await given.arrayBuffer();
  const told = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return Array.from(told, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
