/** What would have been seen: volume and duration by sliders, the probability as a sentence. */
import { useMemo, useState } from 'preact/hooks';
import type { Curve } from '../api/answers';
import { along, chanceOf, placeOf, reach } from '../lib/chance';
import { Field } from '../parts/common';
import { useWords } from '../lib/settings';

const STEPS = 200;
/** Beyond this the moments that were drawn say no more than that it is more. */
const SURE = 0.985;

export function Would({ curves, metric }: { curves: Curve[]; metric: string }) {
  const { t, amount, duration, percent } = useWords();
  const ends = useMemo(() => reach(curves), [curves]);
  const hour = curves.findIndex((curve) => curve.duration_s === 3600);
  const [place, setPlace] = useState(Math.max(hour, 0));
  const curve = curves[Math.min(place, curves.length - 1)];
  // It begins at what is seen half of the time.
  const half = curve?.amount[curve.probability.indexOf(0.5)] ?? ends[0];
  const [share, setShare] = useState(Math.round(placeOf(ends, half) * STEPS));
  if (!curve) return null;
  const volume = along(ends, share / STEPS);
  const chance = chanceOf(curve, volume);
  const said = t(chance > 0 ? 'would_seen' : 'would_not_seen', {
    amount: amount(volume, metric),
    duration: duration(curve.duration_s),
    chance: chance >= SURE ? t('nearly_always') : percent(chance),
  });
  return (
    <section class="would">
      <h2>{t('would_title')}</h2>
      <Field label={t('would_volume')}>
        {(id) => (
          <input
            id={id}
            type="range"
            min={0}
            max={STEPS}
            value={share}
            aria-valuetext={amount(volume, metric)}
            onInput={(event) => setShare(Number(event.currentTarget.value))}
          />
        )}
      </Field>
      <Field label={t('would_duration')}>
        {(id) => (
          <input
            id={id}
            type="range"
            min={0}
            max={curves.length - 1}
            value={place}
            aria-valuetext={duration(curve.duration_s)}
            onInput={(event) => setPlace(Number(event.currentTarget.value))}
          />
        )}
      </Field>
      <meter min={0} max={1} value={chance} aria-label={t('would_title')} />
      <p aria-live="polite">
        <strong>{said}</strong>
      </p>
      <p class="faint">{t('would_note')}</p>
    </section>
  );
}
