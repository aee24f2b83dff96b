/** The API as typed functions: parameters come from its OpenAPI, errors are its problems (RFC 9457). */
import type { operations, paths } from './schema';

type Got = { [P in keyof paths]: paths[P] extends { get: { parameters: { query?: infer Q } } } ? Q : never };
export type Path = Extract<keyof paths, `/api/v1/${string}`>;
export type Query<P extends Path> = NonNullable<Got[P]>;
export type Operations = operations;

/** What went wrong, and what to do about it, in the service's words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    title: string,
    readonly hint: string,
  ) {
    super(title);
  }
}

let csrf = '';

export function useCsrf(token: string | null): void {
  csrf = token ?? '';
}

type Scalar = string | number | boolean;

/** A query string; lists repeat their name, what is empty is left out. */
export function queryOf(query: object): string {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, Scalar | Scalar[] | null | undefined][]) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== '') told.append(name, String(one));
    }
  }
  const text = told.toString();
  return text ? `?${text}` : '';
}

async function answered(response: Response): Promise<Response> {
  if (response.ok) return response;
  if (response.status === 401) {
    sessionStorage.setItem('after-login', location.pathname + location.search);
    location.assign('/login');
  }
  let title = `${response.status} ${response.statusText}`;
  let hint = '';
  try {
    const told = (await response.json()) as { title?: string; hint?: string };
    title = told.title ?? title;
    hint = told.hint ?? '';
  } catch {
    // not a problem of ours: the status line is all there is
  }
  throw new Problem(response.status, title, hint);
}

/** Fill the names in braces of a path. */
function filled(path: string, names: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''));
}

export interface Asking {
  signal?: AbortSignal | undefined;
  names?: Record<string, string>;
}

export async function get<T, P extends Path = Path>(path: P, query?: Query<P>, asking: Asking = {}): Promise<T> {
  const response = await fetch(filled(path, asking.names ?? {}) + queryOf(query ?? {}), {
    signal: asking.signal ?? null,
    headers: { Accept: 'application/json' },
  });
  return (await answered(response)).json() as Promise<T>;
}

export async function getBlob(path: Path, query: object, asking: Asking = {}): Promise<Blob> {
  const response = await fetch(filled(path, asking.names ?? {}) + queryOf(query), { signal: asking.signal ?? null });
  return (await answered(response)).blob();
}

export async function send<T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: Path,
  body: unknown,
  asking: Asking = {},
): Promise<T> {
  const form = body instanceof FormData;
  const response = await fetch(filled(path, asking.names ?? {}), {
    method,
    signal: asking.signal ?? null,
    headers: { 'X-CSRF-Token': csrf, ...(form || body === null ? {} : { 'Content-Type': 'application/json' }) },
    body: body === null ? null : form ? body : JSON.stringify(body),
  });
  const text = await (await answered(response)).text();
  return (text ? JSON.parse(text) : null) as T;
}

interface Waiting {
  id: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  steps: string[];
}

/** Ask as a job: each step is told, and an abort cancels it at the service too. */
export async function work<T, P extends Path = Path>(
  path: P,
  query: Query<P>,
  tell: (steps: string[]) => void,
  signal: AbortSignal,
): Promise<T> {
  const begun = await fetch(path + queryOf(query), { headers: { Prefer: 'respond-async' }, signal });
  const { id } = (await (await answered(begun)).json()) as Waiting;
  const place = `/api/v1/jobs/${encodeURIComponent(id)}`;
  signal.addEventListener('abort', () => {
    void fetch(place, { method: 'DELETE', headers: { 'X-CSRF-Token': csrf } });
  });
  for (;;) {
    const told = (await (await answered(await fetch(place, { signal }))).json()) as Waiting | T;
    // Once it is done the job is its answer.
    if (!(typeof told === 'object' && told !== null && 'steps' in told && 'state' in told)) return told;
    tell(told.steps);
    if (told.state === 'cancelled') throw new DOMException('cancelled', 'AbortError');
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
