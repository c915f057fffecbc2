/** API reference: Swagger UI with the OpenAPI document of the service. */

SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
