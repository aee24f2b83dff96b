/** What the verbs answer: the JSON contracts, as far as the console reads them. */

export type Verdict = 'surge' | 'no_surge' | 'cannot_say';
export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';
export type Direction = 'in' | 'out' | 'internal' | 'transit';
export type Metric = 'bytes' | 'packets' | 'flows' | 'hosts';

export interface Me {
  name: string;
  role: 'reader' | 'analyst' | 'admin';
  csrf: string | null;
}

export interface Site {
  name: string;
  simulated: boolean;
  zone: string;
  version: string;
  home: string[];
  data: { since: string; until: string; now: string; live: boolean; note: string | null } | null;
  columns: string[];
  classes: string[];
  alarms: string;
}

export interface Excess {
  start: string;
  end: string;
  window_s: number;
  observed: number;
  expected: number;
  excess: number;
  p_value: number;
  carried_by?: { by: string; value: string; amount: number; usual: number; share: number }[];
}

export type Limit = { duration_s: number } & Record<string, number | null>;

export interface Blind {
  start: string;
  end: string;
  why: string;
}

export interface Curve {
  duration_s: number;
  probability: number[];
  amount: (number | null)[];
}

export interface Chart {
  width_s: number;
  start_s: number[];
  value: number[];
  coverage: number[];
  expected?: number[];
  high?: number[];
  low?: number[];
  critical?: number[];
  would: Curve[];
}

export interface Answer {
  question: {
    selection: string;
    direction: Direction;
    metric: string;
    width_s: number;
    since: string;
    until: string;
    baseline: [string, string];
  };
  verdict: Verdict;
  false_alarm: number;
  power: number;
  surges: Excess[];
  largest: Excess | null;
  detection_limit: Limit[];
  coverage: { share: number; blind: Blind[] };
  trust: {
    relay_share: number;
    relays: { class: string; verdict: Verdict }[];
    editions: { source: string; edition: string }[];
  };
  caveats: string[];
  method: string;
  version: string;
  chart?: Chart;
}

export interface Found {
  kind: 'country' | 'as' | 'class' | 'watch';
  value: string;
  name: string;
}

export interface World {
  direction: Direction;
  metric: string;
  width_s: number;
  start_s: number[];
  coverage: number[];
  countries: { country: string; value: number[]; expected: number[] | null }[];
}

export interface Country {
  code: string;
  number: string;
  en: string;
  'zh-TW': string;
}

export interface Check {
  name: string;
  state: 'ok' | 'warn' | 'fail';
  found: string;
  advice: string;
}

export interface Alarm {
  id: string;
  series: string;
  state: 'open' | 'ended';
  start: string;
  end: string;
  title: string;
  severity: Severity;
}

export interface Finding {
  id: string;
  kind: string;
  title: string;
  start: string;
  end: string;
  subject: string;
  peers: string[];
  score: number;
  severity: Severity;
  evidence: Record<string, unknown>;
  reasons: string[];
  query: string;
  closed?: boolean;
  verdict?: 'phishing' | 'suspicious' | 'unremarkable';
}

export interface Exporter {
  exporter: string;
  agent: string;
  domain: number;
  standing: string;
  share: number;
  datagrams: number;
  records: number;
  lost: number;
  sampling: number[];
  skew_s: number;
  blind: Blind[];
}

export interface Coverage {
  share: number;
  since: string;
  until: string;
  exporters: Exporter[];
}

export interface Origin {
  address: string;
  at: string;
  country: string;
  as: number;
  as_name: string;
  prefix: string;
  classes: string[];
  displayed: string;
  trust: Trust;
  reasons: string[];
  sources: {
    source: string;
    edition: string;
    valid: [string | null, string | null];
    says: Record<string, unknown>;
  }[];
  disagreements: string[];
}

export type Trust = 'high' | 'medium' | 'low' | 'none';

export interface Showings {
  of: string;
  at: string;
  prefixes: { prefix: string; as: number; displayed: string; trust: Trust; reasons: string[]; source: string }[];
}

export interface Reach {
  of: string;
  at: string;
  ases: {
    as: number;
    as_name: string;
    prefixes: number;
    upstreams: {
      as: number;
      as_name: string;
      country: string | null;
      valid: [string | null, string | null];
      source: string;
      at_that_time: boolean;
    }[];
  }[];
}

export type Flow = Record<string, string | number>;

export interface Lures {
  findings: Finding[];
  skipped: { what: string; why: string }[];
  sweep?: { hosts: string[]; findings: Finding[] };
}

export interface LureLink {
  shown: string;
  target: string;
  leads_to: string;
  host: string;
  domain: string;
  through: string[];
  odd: string[];
  looks_like: string | null;
}

export interface LurePlace {
  reason: string;
  weight: number;
  where: string;
  start: number;
  end: number;
}

export interface Leaks {
  findings: Finding[];
  summary: {
    persons: number;
    by_kind: Record<string, number>;
    by_domain: Record<string, number>;
    combinations?: Record<string, number>;
    by_country?: Record<string, number>;
  };
  examined: Record<string, number>;
  skipped: { what: string; why: string }[];
}

export interface CaseEntry {
  number: number;
  at: string;
  who: string;
  kind: string;
  id: string;
  about: string;
  text?: string;
  by?: string;
  graded?: string;
  command?: string;
  verb?: string;
  result?: Record<string, unknown>;
  what?: string;
  of?: string;
  due?: string;
  reason?: string;
  mark?: string;
  evidence?: string;
  hypothesis?: string;
  value?: string;
  weight?: string;
}

export interface Case {
  name: string;
  title: string;
  created: string;
  mark: string;
  revision: number;
  entries: CaseEntry[];
}

export interface Cell {
  suggested: { value: string; weight: string; reason: string };
  decided: { value: string; weight: string; reason: string; who: string; revision?: number }[];
  inconsistency: number;
  disagreement: boolean;
}

export interface Weighed {
  hypotheses: {
    id: string;
    text: string;
    inconsistency: number;
    rank: number;
    consistent: number;
    likelihood: { who: string; word: string; confidence: string }[];
  }[];
  leading: string[];
  matrix: { evidence: string; what: string; cells: Record<string, Cell> }[];
  sensitivity: { without: string[]; leading: string[] }[];
  next: { command: string; why: string }[];
  undecided: number;
}
