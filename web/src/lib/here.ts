/** Who asks, and of which site. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Me, Site } from '../api/answers';

export interface Here {
  me: Me;
  site: Site;
}

export const HereContext = createContext<Here | null>(null);

export function useHere(): Here {
  const here = useContext(HereContext);
  if (!here) throw new Error('not here');
  return here;
}
