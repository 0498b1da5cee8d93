import type { OpenAPIObject } from '@nestjs/swagger';

/** Completes the description of the HTTP surface with what no decorator at a route can know. */
export type OpenApiExtension = (document: OpenAPIObject) => void;

const extensions: OpenApiExtension[] = [];

/** To be called where a module is declared: the description is made of declarations alone. */
export function extendOpenApi(extension: OpenApiExtension): void {
  extensions.push(extension);
}

export function applyOpenApiExtensions(document: OpenAPIObject): void {
  for (const extension of extensions) extension(document);
}
