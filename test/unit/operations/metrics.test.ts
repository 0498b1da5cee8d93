import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../src/operations/metrics.js';

describe('Metrics', () => {
  it('counts the requests whose duration it has observed, by method, route and status class', async () => {
    const metrics = new Metrics();
    metrics.answered('GET', '/api/users/me', 200, 0.002);
    metrics.answered('GET', '/api/users/me', 204, 7);
    metrics.answered('BREW', undefined, 404, 0.2);
    const text = await metrics.text();
    const known = 'method="GET",route="/api/users/me",status="2xx"';
    expect(text).toContain(`http_requests_total{${known}} 2\n`);
    expect(text).toContain(`http_request_duration_seconds_bucket{le="0.0025",${known}} 1\n`);
    expect(text).toContain(`http_request_duration_seconds_bucket{le="+Inf",${known}} 2\n`);
    expect(text).toContain('http_requests_total{method="other",route="none",status="4xx"} 1\n');
    expect(await metrics.text()).toContain(`http_requests_total{${known}} 2\n`);
  });
});
