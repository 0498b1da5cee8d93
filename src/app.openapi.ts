import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { describeCredentials } from './app.module.js';
import { serviceVersion } from './common/service-version.js';

/** The path of Swagger UI. */
export const DOCS_PATH = '/docs';

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457. `code` is stable, `detail` is for people.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    request_id: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

/** The OpenAPI description of the whole HTTP surface below `pathPrefix`. The same code gives the same text. */
export function buildOpenApi(app: INestApplication, pathPrefix = ''): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Tandem')
    .setDescription(
      'Access tokens, rotating refresh tokens and revocation. Get a token at `/auth/login`, then Authorize.',
    )
    .setVersion(serviceVersion())
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addBasicAuth(
      { type: 'http', scheme: 'basic', description: 'A service client: id and secret' },
      'client',
    );
  if (pathPrefix !== '') builder.addServer(pathPrefix);
  const options = builder.build();
  const document = SwaggerModule.createDocument(app, options, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  const components = (document.components ??= {});
  components.schemas = { ...components.schemas, Problem: PROBLEM as never };
  describeCredentials(document);
  return document;
}

/** Swagger UI at `/docs`, the document at `/docs/openapi.json`. */
export function serveOpenApi(app: INestApplication, pathPrefix: string): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup(DOCS_PATH, app, () => (document ??= buildOpenApi(app, pathPrefix)), {
    jsonDocumentUrl: 'docs/openapi.json',
    yamlDocumentUrl: 'docs/openapi.yaml',
    customSiteTitle: 'Tandem API',
    swaggerOptions: { persistAuthorization: false, displayRequestDuration: true },
  });
}
