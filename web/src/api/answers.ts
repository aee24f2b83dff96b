/** What the verbs answer: the shapes that the service's OpenAPI tells. */
import type { components } from './schema';

type Shapes = components['schemas'];

export type Me = Shapes['Me'];
export type Site = Shapes['SiteTold'];
export type Answer = Shapes['Answer'];
export type Verdict = Answer['verdict'];
export type Excess = Shapes['Excess'];
export type Limit = Shapes['Limit'];
export type Metric = 'bytes' | 'packets' | 'flows' | 'hosts';
export type Chart = Shapes['Chart'];
export type Curve = Shapes['Curve'];
export type Blind = Shapes['Blind'];
export type Series = Shapes['Series'];
export type Top = Shapes['Top'];
export type Found = Shapes['Meant'];
export type World = Shapes['World'];
export type Country = Shapes['Place'];
export type Check = Shapes['Check'];
export type Alarm = Shapes['Alarm'];
export type Finding = Shapes['Finding'];
export type LureFinding = Shapes['LureFinding'];
export type KeptFinding = Shapes['KeptFinding'];
export type Severity = Finding['severity'];
export type Coverage = Shapes['Coverage'];
export type Exporter = Shapes['Exporter'];
export type Origin = Shapes['Origin'];
export type Trust = Origin['trust'];
export type Showings = Shapes['Showings'];
export type Reach = Shapes['Reach'];
export type Names = Shapes['Names'];
export type Flows = Shapes['Flows'];
export type Lures = Shapes['Lures'];
export type Leaks = Shapes['Leaks'];
export type Case = Shapes['CaseTold'];
export type Weighed = Shapes['Weighed'];
export type Cell = Shapes['Cell'];
export type Verified = Shapes['Verified'];

export type Direction = 'in' | 'out' | 'internal' | 'transit';
export type Flow = Flows['flows'][number];

/** An entry of a case with what the kinds that the console shows have in them. */
export type CaseEntry = Case['entries'][number] & {
  text?: string;
  by?: string;
  graded?: string;
  command?: string;
  verb?: string;
  result?: Record<string, unknown>;
  what?: string;
  of?: string;
  request?: string;
  due?: string;
  reason?: string;
  evidence?: string;
  hypothesis?: string;
  value?: string;
  weight?: string;
};

/** What the evidence of a judged mail holds. */
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
